import { threshold } from './threshold.ts'
export const costModel: typeof threshold = threshold
