// Numbers of bytes in words.

const units = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** `1.23 GB`: three digits, units of a thousand. */
export function formatBytes(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const value = bytes / 1000 ** power
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${units[power]}`
}
