// Runs in a page that was written here, not in Node: draws the charts that stand in it as data, in the colours of its style.

import type {
  ChartConfiguration,
  ChartDataset,
  Chart as ChartJs,
  LegendOptions,
  Plugin,
  Point,
  PointStyle,
  ScaleOptions,
} from 'chart.js'
import type { Axis, Chart as ChartData, Dot, Series } from './chart.ts'

/** Chart.js, from the script before this one. */
declare const Chart: typeof ChartJs

type Type = 'line' | 'scatter' | 'bar'
type LegendLabels = Partial<LegendOptions<Type>['labels']>
type Dataset = ChartDataset<Type, (Point & Dot)[]>

const page = document.documentElement
const drawn: { readonly chart: ChartJs<Type, (Point & Dot)[]>; readonly about: ChartData }[] = []

function colour(index: number): string {
  const styles = getComputedStyle(page)
  return styles.getPropertyValue(index < 0 ? '--faint' : `--c${index % 7}`).trim()
}

function ink(name: 'ink' | 'faint' | 'rule' | 'paper'): string {
  return getComputedStyle(page).getPropertyValue(`--${name}`).trim()
}

function written(value: number, unit: Axis['unit']): string {
  if (unit === 'share') return `${Number((100 * value).toFixed(1))} %`
  return `${Number(value.toFixed(unit === 'count' ? 0 : 3))}`
}

const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [12, 4, 4, 4]] as const
const marks = ['circle', 'triangle', 'rect', 'rectRot', 'star', 'crossRot'] as const

function dashOf(series: Series): number[] {
  if (series.kind !== 'line' || series.colour < 0)
    return series.kind === 'line' && series.stroke === 'dashed' ? [4, 4] : []
  return [...dashes[series.colour % dashes.length]!]
}

function markOf({ kind, colour }: Series): PointStyle {
  if (kind === 'line') return 'line'
  return colour < 0 ? 'circle' : marks[colour % marks.length]!
}

function datasetOf(series: Series, index: number): Dataset {
  const own = colour(series.colour)
  const named = { label: series.name, borderColor: own, backgroundColor: own }
  if (series.kind === 'bars') {
    return { type: 'bar', ...named, borderWidth: 0, data: series.values.map((y, x) => ({ x, y })) }
  }
  const data = series.points.map((point) => ({ ...point }))
  if (series.kind === 'line') {
    const grey = series.colour < 0
    const lone = series.points.length === 1
    return {
      type: 'line',
      ...named,
      data,
      borderWidth: grey ? 1 : 2,
      // The later ones on top, for their dashes leave room for what lies beneath.
      order: -index,
      borderDash: dashOf(series),
      stepped: series.shape === 'steps' ? 'before' : false,
      pointRadius: lone ? 3 : 0,
      pointHitRadius: grey ? 0 : 8,
      pointStyle: markOf(series),
    }
  }
  const large = series.size === 'large'
  return {
    type: 'scatter',
    ...named,
    data,
    showLine: false,
    pointRadius: large ? 7 : 2.5,
    pointHoverRadius: large ? 8 : 4,
    pointStyle: markOf(series),
    borderWidth: large ? 2 : 0,
    backgroundColor: `color-mix(in srgb, ${own} ${large ? 60 : 45}%, transparent)`,
  }
}

/** Bands around lines and error bars through dots, from the `low` and `high` of points. */
const spreads: Plugin<Type> = {
  id: 'spreads',
  beforeDatasetDraw(chart, { index }) {
    const dataset = chart.data.datasets[index]
    const points = (dataset?.data ?? []) as readonly Dot[] // what datasetOf gave
    const { x, y } = chart.scales
    if (!dataset || !x || !y || !points.some(({ low }) => low !== undefined)) return
    const { ctx, chartArea } = chart
    ctx.save()
    ctx.beginPath()
    ctx.rect(chartArea.left, chartArea.top, chartArea.width, chartArea.height)
    ctx.clip()
    const at = (value: number): number => y.getPixelForValue(value)
    ctx.strokeStyle = ctx.fillStyle = String(dataset.borderColor)
    ctx.beginPath()
    if (dataset.type === 'line') {
      const stepped = Boolean(dataset.stepped)
      const edge = (side: 'low' | 'high', order: readonly Dot[]): void => {
        for (const [i, dot] of order.entries()) {
          const before = order[i - 1]
          if (before && stepped) {
            if (side === 'high') ctx.lineTo(x.getPixelForValue(dot.x), at(before.high ?? before.y))
            else ctx.lineTo(x.getPixelForValue(before.x), at(dot.low ?? dot.y))
          }
          ctx.lineTo(x.getPixelForValue(dot.x), at(dot[side] ?? dot.y))
        }
      }
      edge('high', points)
      edge('low', points.toReversed())
      ctx.globalAlpha = 0.16
      ctx.fill()
    } else {
      for (const { x: across, y: middle, low = middle, high = middle } of points) {
        const left = x.getPixelForValue(across)
        ctx.moveTo(left, at(low))
        ctx.lineTo(left, at(high))
        for (const end of [low, high]) {
          ctx.moveTo(left - 4, at(end))
          ctx.lineTo(left + 4, at(end))
        }
      }
      ctx.lineWidth = 1.5
      ctx.stroke()
    }
    ctx.restore()
  },
}

function scaleOf(axis: Axis): ScaleOptions<'linear' | 'category'> {
  const looks = {
    title: { display: true, text: axis.title, color: ink('faint') },
    grid: { color: ink('rule') },
    border: { color: ink('rule') },
  }
  if (axis.names) {
    const ticks = { color: ink('faint'), autoSkip: true, maxRotation: 0 }
    return { ...looks, type: 'category', labels: [...axis.names], ticks }
  }
  return {
    ...looks,
    type: 'linear',
    ...(axis.min === undefined ? {} : { min: axis.min }),
    ...(axis.max === undefined ? {} : { max: axis.max }),
    ticks: {
      color: ink('faint'),
      ...(axis.unit === 'count' ? { precision: 0 } : {}),
      includeBounds: false,
      maxRotation: 0,
      callback: (value) => written(Number(value), axis.unit),
    },
  }
}

function saidOf(dot: Dot, name: string, { x, y }: ChartData): string[] {
  const range =
    dot.low === undefined || dot.high === undefined
      ? ''
      : ` (${written(dot.low, y.unit)} to ${written(dot.high, y.unit)})`
  const across = x.names?.[dot.x] ?? written(dot.x, x.unit)
  return [
    name,
    `${x.title}: ${across}`,
    `${y.title}: ${written(dot.y, y.unit)}${range}`,
    ...(dot.label ?? '').split('\n').filter((line) => line !== ''),
  ]
}

/** Each series as it is drawn: lines long enough for their dashes to be seen, unless dots stand beside them. */
function legendOf({ series }: ChartData): LegendLabels {
  const only = (kind: Series['kind']): boolean => series.every((one) => one.kind === kind)
  return {
    color: ink('ink'),
    usePointStyle: !only('bars'),
    ...(only('line') ? { pointStyleWidth: 36 } : { boxWidth: 12, boxHeight: 10 }),
    generateLabels: (chart) =>
      chart.data.datasets.map((dataset, datasetIndex) => {
        const looks = datasetOf(series[datasetIndex]!, datasetIndex)
        return {
          datasetIndex,
          text: dataset.label ?? '',
          fontColor: ink('ink'),
          strokeStyle: String(looks.borderColor),
          fillStyle: String(looks.backgroundColor),
          lineWidth: 2,
          lineDash: looks.type === 'line' ? dashOf(series[datasetIndex]!) : [],
          pointStyle: markOf(series[datasetIndex]!),
          hidden: !chart.isDatasetVisible(datasetIndex),
        }
      }),
  }
}

function configOf(about: ChartData): ChartConfiguration<Type, (Point & Dot)[]> {
  return {
    type: about.series.some(({ kind }) => kind === 'bars') ? 'bar' : 'scatter',
    data: { datasets: about.series.map(datasetOf) },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: 'nearest', intersect: true },
      color: ink('ink'),
      scales: { x: scaleOf(about.x), y: scaleOf(about.y) },
      plugins: {
        legend: {
          position: 'bottom',
          labels: legendOf(about),
        },
        tooltip: {
          displayColors: false,
          callbacks: {
            title: () => '',
            label: ({ raw, dataset }) => saidOf(raw as Dot, dataset.label ?? '', about), // what datasetOf gave
          },
        },
      },
    },
    plugins: [spreads],
  }
}

/** In the colours of the moment: dark, light, or of paper. */
function recolour(): void {
  for (const { chart, about } of drawn) {
    const { data, options } = configOf(about)
    for (const [i, dataset] of data.datasets.entries()) {
      const shown = chart.data.datasets[i]
      if (shown) Object.assign(shown, { borderColor: dataset.borderColor, backgroundColor: dataset.backgroundColor })
    }
    if (options) chart.options = options
    chart.resize()
    chart.update('none')
  }
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily
const list = JSON.parse(document.querySelector('#charts')?.textContent ?? '[]') as readonly ChartData[] // of page.ts
for (const about of list) {
  const place = document.getElementById(about.id)
  if (place instanceof HTMLCanvasElement) drawn.push({ chart: new Chart(place, configOf(about)), about })
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour)
matchMedia('print').addEventListener('change', recolour)
page.dataset['drawn'] = `${drawn.length}`
