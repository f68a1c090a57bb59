// What drafting costs and brings, as it was measured before: where a policy starts from. It comes with a model's skip set.

export type { DraftCosts } from '../../model/draft-costs.ts'
