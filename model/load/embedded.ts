// Finds the model that is part of the package.

/** The name that stands for the embedded model; a folder of that name is `./stories`. */
export const embeddedName = 'stories'

/** The folder models/stories of the package, wherever it is installed. */
export function embeddedModel(): URL {
  // This file runs from dist/model/load, or, in the package's own tests, as the source in model/load.
  const root = import.meta.url.endsWith('.ts') ? '../../' : '../../../'
  return new URL(`${root}models/${embeddedName}/`, import.meta.url)
}
