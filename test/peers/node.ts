// Finds the newer Nodes of test/peers, for what must hold on them as well.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of the Node `major` for this platform, or undefined where it is not installed. */
export function peerNode(major: 22 | 24): string | undefined {
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const folder = `node_modules/node-${major}-${process.platform}-${process.arch}`
  const path = fileURLToPath(new URL(`${folder}/bin/${program}`, import.meta.url))
  return existsSync(path) ? path : undefined
}
