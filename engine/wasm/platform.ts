// What differs between Node and browsers: how threads are started. The package's "#workers" import chooses.

/** The kernels, and those of relaxed SIMD where they are to be used. */
export interface Modules {
  readonly kernels: WebAssembly.Module
  readonly relaxed: WebAssembly.Module | undefined
}

/** What a thread is given when it starts. */
export interface Setup {
  readonly modules: Modules
  readonly memory: WebAssembly.Memory
  readonly threads: number
}

export interface Thread {
  /** While held, the thread keeps the process alive. */
  hold(): void
  letGo(): void
  /** Ends it, whatever it does. */
  end(): Promise<void>
}

export interface StartOptions {
  readonly onDone: () => void
  readonly onFail: (cause: unknown) => void
  /** The worker's file in a browser, where it is not beside this one. */
  readonly workerUrl: string | URL | undefined
}

export interface Platform {
  /** Threads that it can run at once. */
  cores(): number
  /** Why there can be no threads here, or nothing. */
  withoutThreads(): string | undefined
  /** Whether the calling thread may wait for others, and so work with them. */
  readonly mayWait: boolean
  /** `onFail` is called once, when the thread ended by an error, or could not begin. */
  start(setup: Setup, options: StartOptions): Thread
}
