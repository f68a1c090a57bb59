// How kernels see a weight on the device: f32 by one or by four, blocks as words of whole numbers with the scales apart.

export type Weights = 'f32' | 'f32 in fours' | 'q8_0' | 'q4_0'
