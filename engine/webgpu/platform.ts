// What differs between Node and browsers: where WebGPU comes from.

export interface Platform {
  /** Says in one line what to install, or what else is missing, or nothing. */
  unavailable(): Promise<string | undefined>
  /** Throws {@link BackendUnavailableError}. */
  gpu(): Promise<GPU>
}
