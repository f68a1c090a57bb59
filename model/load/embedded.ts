// The name of the model that is part of the package.

/** Stands for the embedded model; a folder of that name is `./stories`. */
export const embeddedName = 'stories'
