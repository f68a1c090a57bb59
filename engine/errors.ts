// The errors that callers can tell apart. Each carries a stable `code`; its message is built from the values: what was
// expected, what came, where, and what to do.

/** Base of every error thrown on purpose by this package. */
export class DrafthorseError extends Error {
  readonly code: string

  constructor(name: string, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = name
    this.code = code
  }
}

/** Tensors, rows or cache positions that do not fit together. */
export class ShapeError extends DrafthorseError {
  constructor(message: string) {
    super('ShapeError', 'ERR_SHAPE', message)
  }
}

/** A number type that an op, a backend or a file does not support. */
export class DTypeError extends DrafthorseError {
  constructor(message: string) {
    super('DTypeError', 'ERR_DTYPE', message)
  }
}

/** A model file, its config, its tokenizer or a skip file that is damaged, hostile or of another kind. */
export class ModelFormatError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('ModelFormatError', 'ERR_MODEL_FORMAT', message, options)
  }
}

/** A file or folder that was asked for and is not there. */
export class NotFoundError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('NotFoundError', 'ERR_NOT_FOUND', message, options)
  }
}

/** A download that failed: a server out of reach or out of order, access refused, a disk too small. What came is kept. */
export class DownloadError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('DownloadError', 'ERR_DOWNLOAD', message, options)
  }
}

/** A value from the caller that cannot be used: an option, a prompt, a token id, a skip set. */
export class ArgumentError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('ArgumentError', 'ERR_ARGUMENT', message, options)
  }
}

/** A backend that cannot run on this machine; the message says what is missing and how to get it. */
export class BackendUnavailableError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('BackendUnavailableError', 'ERR_BACKEND_UNAVAILABLE', message, options)
  }
}

/** Memory that a model or a cache needs and that is not to be had. */
export class OutOfMemoryError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('OutOfMemoryError', 'ERR_OUT_OF_MEMORY', message, options)
  }
}

/** A backend that broke down while it ran, such as one whose worker crashed; what was pending is lost. */
export class BackendCrashedError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('BackendCrashedError', 'ERR_BACKEND_CRASHED', message, options)
  }
}

/** A device, such as a graphics card, that was lost with all that was on it; another backend can be opened. */
export class DeviceLostError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('DeviceLostError', 'ERR_DEVICE_LOST', message, options)
  }
}

/** Work that an abort signal ended. */
export class AbortError extends DrafthorseError {
  constructor(message: string, options?: ErrorOptions) {
    super('AbortError', 'ERR_ABORTED', message, options)
  }
}

/** A model, backend or sequence that was used after `dispose()`. */
export class DisposedError extends DrafthorseError {
  constructor(message: string) {
    super('DisposedError', 'ERR_DISPOSED', message)
  }
}

/** Logits that are not numbers: damaged weights, or a kernel that is wrong. */
export class NumericError extends DrafthorseError {
  constructor(message: string) {
    super('NumericError', 'ERR_NUMERIC', message)
  }
}
