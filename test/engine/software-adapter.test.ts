// Adapters that compute on the CPU, by the names that drivers give them.
import assert from 'node:assert/strict'
import { isSoftwareName } from '../../engine/software-adapter.ts'

describe('the name of an adapter', () => {
  const software = [
    'google swiftshader',
    'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)',
    'mesa llvmpipe',
    'ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11 vs_5_0 ps_5_0, D3D11)',
    'microsoft warp',
  ]
  const hardware = ['nvidia hopper', 'apple metal-3', 'ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2))', '']
  for (const name of software) it(`tells that ${name} is software`, () => assert.ok(isSoftwareName(name)))
  for (const name of hardware)
    it(`takes ${name || 'nothing'} for a graphics card`, () => assert.ok(!isSoftwareName(name)))
})
