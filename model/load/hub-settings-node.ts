// What the environment says about the Hugging Face hub: where its cache is, which server, which token. The variables and
// their order are those of huggingface_hub, so that both find the same files.

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ArgumentError } from '../../engine/errors.ts'
import { isErrorCode } from './system-error-node.ts'

export interface HubSettings {
  /** The folder that holds `models--OWNER--NAME`. */
  readonly cache: string
  /** The file that `hf auth login` writes. */
  readonly tokenFile: string
  /** Without a slash at its end. */
  readonly endpoint: string
  /** No request may be made. */
  readonly offline: boolean
  /** The cache gets copies where links would be. */
  readonly copies: boolean
  /** No token is sent. */
  readonly anonymous: boolean
  /** From the environment; the file is read by {@link readToken}. */
  readonly token: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** Throws {@link ArgumentError} for an HF_ENDPOINT that is no address. */
export function hubSettings(env: Environment = process.env): HubSettings {
  const path = (...names: readonly string[]): string | undefined => {
    const found = names.map((name) => env[name]).find((value) => value)
    return found?.replace(/^~(?=$|[\\/])/, homedir())
  }
  const on = (name: string): boolean => /^(1|on|yes|true)$/i.test(env[name] ?? '')
  const home = path('HF_HOME') ?? join(path('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface')
  return {
    cache: path('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    tokenFile: path('HF_TOKEN_PATH') ?? join(home, 'token'),
    endpoint: checkedEndpoint(env['HF_ENDPOINT'] || 'https://huggingface.co'),
    offline: on('HF_HUB_OFFLINE') || on('TRANSFORMERS_OFFLINE'),
    copies: on('HF_HUB_DISABLE_SYMLINKS'),
    anonymous: on('HF_HUB_DISABLE_IMPLICIT_TOKEN'),
    token: env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN'] || undefined,
  }
}

/** The token to show the hub, if there is one. Throws {@link ArgumentError} for one that no header can carry. */
export async function readToken({ token, tokenFile, anonymous }: HubSettings): Promise<string | undefined> {
  if (anonymous) return undefined
  const [text, where] = token === undefined ? [await readIfThere(tokenFile), tokenFile] : [token, 'HF_TOKEN']
  const trimmed = text?.trim()
  if (!trimmed) return undefined
  // The value itself never gets into a message.
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new ArgumentError(`the token in ${where} has spaces or other characters that no token has; copy it again`)
  }
  return trimmed
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new ArgumentError('HF_ENDPOINT is not an address such as https://huggingface.co, without user and password')
  }
  return url.href.replace(/\/+$/, '')
}
