// client.keys and client.tenants: who may do what. Scope `admin`.
import type { RequestOptions, Transport } from '../internal/transport.ts';
import type { ApiKey, MadeKey, MadeTenant, NewKey, Tenant } from '../types.ts';

export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Its `secret` is shown this once. */
  create(key: NewKey, options: RequestOptions = {}): Promise<MadeKey> {
    return this.#transport.json('POST', '/v1/keys', { ...options, json: key });
  }

  async list(options: RequestOptions = {}): Promise<ApiKey[]> {
    return (await this.#transport.json<{ keys: ApiKey[] }>('GET', '/v1/keys', options)).keys;
  }

  revoke(id: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.json('DELETE', `/v1/keys/${encodeURIComponent(id)}`, options);
  }
}

/** For administrators of the tenant `default`. */
export class Tenants {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(tenant: { name: string }, options: RequestOptions = {}): Promise<MadeTenant> {
    return this.#transport.json('POST', '/v1/tenants', { ...options, json: tenant });
  }

  async list(options: RequestOptions = {}): Promise<Tenant[]> {
    return (await this.#transport.json<{ tenants: Tenant[] }>('GET', '/v1/tenants', options)).tenants;
  }

  delete(id: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.json('DELETE', `/v1/tenants/${encodeURIComponent(id)}`, options);
  }
}
