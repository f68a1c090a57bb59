// A plugin of Vite or Rollup for projects that minify: the kernels of GPU.js reach it as the texts that it would read anyway.
interface Plugin {
  readonly name: string
  transform(code: string, id: string): string | undefined
}

export function keepKernels(): Plugin {
  const kernel = /^export (function (\w+)\([\s\S]*?\n}\n)/gm
  return {
    name: 'keep-kernels',
    transform(code, id) {
      if (!/\/gpujs\/kernels\/[\w-]+\.js$/.test(id)) return undefined
      return code.replace(kernel, (_, text, name) => `export const ${name} = ${JSON.stringify(text)}\n`)
    },
  }
}
