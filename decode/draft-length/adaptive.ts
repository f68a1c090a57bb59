import { threshold } from './threshold.ts'
export const adaptive: typeof threshold = threshold
