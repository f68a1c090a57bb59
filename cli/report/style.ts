// How pages look: in light and dark, on paper and on a phone.

/** Colours that can be told apart with any kind of colour vision (after Okabe and Ito 2008), darker or lighter by the theme. */
export const style: string = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --faint: #5f6975; --rule: #d8dee4; --shade: #f3f5f7; --warn: #a33a00;
  --c0: #0067a8; --c1: #c25100; --c2: #007f5f; --c3: #a8478a; --c4: #8a6d00; --c5: #2f8fc4; --c6: #555b63;
  --skip: #0067a8; --run: #e4e9ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e4e8ec; --faint: #9aa4af; --rule: #333a42; --shade: #1d2126; --warn: #ffb07a;
    --c0: #58b4ef; --c1: #f0924a; --c2: #37c79b; --c3: #e394c8; --c4: #e0c34b; --c5: #9fd3f5; --c6: #b9c0c8;
    --skip: #58b4ef; --run: #272d34;
  }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --ink: #000000; --faint: #444444; --rule: #bbbbbb; --shade: #f3f5f7; --warn: #a33a00;
    --c0: #0067a8; --c1: #c25100; --c2: #007f5f; --c3: #a8478a; --c4: #8a6d00; --c5: #2f8fc4; --c6: #555b63;
    --skip: #0067a8; --run: #e4e9ee;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 68rem; padding: 1.5rem 1.25rem 4rem; overflow-wrap: anywhere;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 0 0 .25rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: 0 0 .75rem; max-width: 52rem; }
.verdict { font-size: 1.15rem; }
.faint, caption, summary, figcaption { color: var(--faint); }
.warn { color: var(--warn); font-weight: 600; }
section { margin-top: 2.25rem; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 45%), 1fr)); gap: .6rem 1.25rem; margin: 1rem 0 0; }
.facts dt { color: var(--faint); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.chart { position: relative; height: min(24rem, 75vh); margin: .5rem 0 1rem; }
.wide { position: relative; overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
thead th { color: var(--faint); font-weight: 500; vertical-align: bottom; }
.figure { text-align: right; white-space: nowrap; }
td.words:last-child { min-width: 15rem; }
summary { cursor: pointer; padding: .25rem 0; }
.map { border-collapse: separate; border-spacing: 1px; table-layout: fixed; }
.map th, .map td { padding: 0; border: 0; vertical-align: middle; }
.map td { background: var(--run); height: 1.1rem; min-width: .6rem; width: 1.5rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.map.dense { width: 100%; min-width: 46rem; }
.map.dense td, .map.dense thead th { width: auto; min-width: 0; }
.map td.skipped { background: var(--skip); }
.map thead th { font-size: .7rem; text-align: center; overflow: visible; white-space: nowrap; width: 1.5rem; }
.map tbody th { white-space: nowrap; padding-right: .6rem; font-weight: 400; overflow: hidden; text-overflow: ellipsis; }
.map tbody th.strategy { font-weight: 600; }
.map tbody + tbody tr:first-child > * { border-top: 5px solid var(--paper); }
.map.dense thead th { text-align: left; }
.map thead th:nth-child(2), .map.dense thead th:nth-child(2) { width: 5rem; text-align: right; padding-right: .6rem; }
.map thead .corner, .map.dense thead .corner { width: 8rem; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0 0 .75rem; font-size: .875rem; color: var(--faint); }
.swatch { display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem; vertical-align: -.1rem; background: var(--run); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.swatch.skipped { background: var(--skip); }
${Array.from({ length: 10 }, (_, i) => `.map td.f${i + 1} { background: color-mix(in srgb, var(--c1) ${10 * (i + 1)}%, var(--run)); }`).join('\n')}
.swatch.frequent { background: var(--c1); }
footer { margin-top: 3rem; color: var(--faint); font-size: .8rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .9rem 3rem; }
  h1 { font-size: 1.3rem; }
  .chart { height: 20rem; }
  .map { font-size: .75rem; }
  .map thead .corner, .map.dense thead .corner { width: 6rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  section { break-inside: avoid-page; margin-top: 1.25rem; }
  .chart { height: 16rem; break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: .5rem; }
  .figure { white-space: normal; }
  td.words:last-child { min-width: 0; }
  .map.dense { min-width: 0; }
  details:not([open]) { display: none; }
}
`
