// Events as AWS sends them to the Lambda: recorded shapes of the HTTP API (payload 2.0) and of SQS, with our content.

export interface HttpRequest {
  method: string;
  path: string;
  key?: string;
  body?: FormData;
}

export async function httpEvent({ method, path, key, body }: HttpRequest): Promise<unknown> {
  const request = new Request(`https://abc123.execute-api.eu-central-1.amazonaws.com${path}`, {
    method,
    ...(body && { body }),
    ...(key !== undefined && { headers: { authorization: `Bearer ${key}` } }),
  });
  return requestEvent(request);
}

/** A whole request as API Gateway hands it on. */
export async function requestEvent(request: Request): Promise<unknown> {
  const bytes = Buffer.from(await request.arrayBuffer());
  const { host, pathname, search } = new URL(request.url);
  const { method } = request;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: {
      accept: '*/*',
      'content-length': String(bytes.length),
      host,
      'user-agent': 'curl/8.5.0',
      'x-amzn-trace-id': 'Root=1-6560a0b5-0f3f8e1c2a4d5b6c7d8e9f00',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
      ...Object.fromEntries(request.headers),
    },
    requestContext: {
      accountId: '123456789012',
      apiId: 'abc123',
      domainName: host,
      domainPrefix: 'abc123',
      http: { method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'curl/8.5.0' },
      requestId: 'OqXJhgbPliAEJ-w=',
      routeKey: '$default',
      stage: '$default',
      time: '23/Nov/2026:12:00:00 +0000',
      timeEpoch: 1795435200000,
    },
    ...(bytes.length > 0 && { body: bytes.toString('base64') }),
    isBase64Encoded: bytes.length > 0,
  };
}

export function queueEvent(bodies: unknown[]): unknown {
  return {
    Records: bodies.map((body, i) => ({
      messageId: `059f36b4-87a3-44ab-83d2-66197572000${i}`,
      receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
      body: JSON.stringify(body),
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '1795435200000',
        SenderId: 'AIDAIENQZJOLO23YVJ4VO',
        ApproximateFirstReceiveTimestamp: '1795435200001',
      },
      messageAttributes: {},
      md5OfBody: 'e4e68fb7bd0e697a0ae8f1bb342846b3',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:embed',
      awsRegion: 'eu-central-1',
    })),
  };
}
