// Dates as Python's strftime writes them in the C locale, for chat templates that tell the model what day it is.

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')

const codes: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => days[date.getDay()]!.slice(0, 3),
  A: (date) => days[date.getDay()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  B: (date) => months[date.getMonth()]!,
  c: (date) => formatDate(date, '%a %b %e %H:%M:%S %Y'),
  d: (date) => pad(date.getDate()),
  D: (date) => formatDate(date, '%m/%d/%y'),
  e: (date) => String(date.getDate()).padStart(2),
  F: (date) => formatDate(date, '%Y-%m-%d'),
  h: (date) => formatDate(date, '%b'),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  j: (date) => pad(dayOfYear(date), 3),
  m: (date) => pad(date.getMonth() + 1),
  M: (date) => pad(date.getMinutes()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  R: (date) => formatDate(date, '%H:%M'),
  S: (date) => pad(date.getSeconds()),
  T: (date) => formatDate(date, '%H:%M:%S'),
  u: (date) => String(date.getDay() || 7),
  w: (date) => String(date.getDay()),
  x: (date) => formatDate(date, '%m/%d/%y'),
  X: (date) => formatDate(date, '%H:%M:%S'),
  y: (date) => pad(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  '%': () => '%',
}

/** `%d %B %Y` and its like; `%-d` has no zeros before it. A code that is not known stays as it is. */
export function formatDate(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, bare: string, code: string) => {
    const text = Object.hasOwn(codes, code) ? codes[code]!(date) : whole
    return bare && text !== whole ? text.replace(/^[0 ]+(?=.)/, '') : text
  })
}

/** From 1; hours of summer time do not count. */
function dayOfYear(date: Date): number {
  const utc = (month: number, day: number): number => Date.UTC(date.getFullYear(), month, day)
  return 1 + (utc(date.getMonth(), date.getDate()) - utc(0, 1)) / 86_400_000
}
