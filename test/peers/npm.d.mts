// The types of npm.mjs, which plain Node runs before any TypeScript can.

/** Runs npm with `args` in the folder `cwd` and waits for it. */
export function npm(args: string[], options: { cwd: string }): { ok: boolean; stdout: string; stderr: string }
