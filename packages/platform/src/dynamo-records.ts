// openDynamoRecords: Records in one DynamoDB table: keys `pk` and `sk`, time-to-live attribute `ttl`.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttributeValue,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  paginateQuery,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { type AwsOptions, awsError, clientOptions, nameOf } from './aws-client.ts';
import { PreconditionFailed, Unavailable } from './errors.ts';
import {
  type Condition,
  checkRecordKey,
  checkTransaction,
  encodeValue,
  firstVersion,
  type Records,
  type StoredRecord,
  type Write,
} from './records.ts';

export interface DynamoRecordsOptions extends AwsOptions {
  table: string;
}

type Item = Record<string, AttributeValue>;

export function openDynamoRecords({ table, ...aws }: DynamoRecordsOptions): Records {
  const client = new DynamoDBClient(clientOptions(aws));

  return {
    async get<T>(partition: string, sort: string) {
      checkRecordKey(partition, sort);
      try {
        const { Item } = await client.send(
          new GetItemCommand({ TableName: table, Key: keyOf(partition, sort), ConsistentRead: true }),
        );
        return Item === undefined ? null : toRecord<T>(Item);
      } catch (error) {
        throw awsError(error, 'DynamoDB');
      }
    },
    async put(partition, sort, value, { condition, expiresAt } = {}) {
      checkRecordKey(partition, sort);
      try {
        const { Attributes = {} } = await client.send(
          new UpdateItemCommand({
            ...update(table, partition, sort, value, condition, expiresAt),
            ReturnValues: 'ALL_NEW',
          }),
        );
        return { partition, sort, value, version: Number(Attributes.version?.N), expiresAt: expiresAt ?? null };
      } catch (error) {
        throw conditionError(error, sort);
      }
    },
    async delete(partition, sort, condition) {
      checkRecordKey(partition, sort);
      try {
        await client.send(new DeleteItemCommand(removal(table, partition, sort, condition)));
      } catch (error) {
        throw conditionError(error, sort);
      }
    },
    async transact(writes) {
      checkTransaction(writes);
      if (writes.length === 0) return;
      for (let attempt = 1; ; attempt++) {
        try {
          await client.send(
            new TransactWriteItemsCommand({ TransactItems: writes.map((write) => toTransactItem(table, write)) }),
          );
          return;
        } catch (error) {
          const reasons = error instanceof TransactionCanceledException ? (error.CancellationReasons ?? []) : [];
          const failed = reasons.findIndex(({ Code }) => Code === 'ConditionalCheckFailed');
          if (failed >= 0) throw new PreconditionFailed(`The record ${writes[failed]?.sort}`);
          const contended = reasons.some(({ Code }) => Code === 'TransactionConflict' || Code === 'ThrottlingError');
          if (!contended) throw awsError(error, 'DynamoDB');
          if (attempt === 6)
            throw new Unavailable('These records are being written by others all the time: try again in a moment.', {
              cause: error,
            });
          await sleep(20 * 2 ** attempt * Math.random());
        }
      }
    },
    async *query<T>(partition: string, { prefix = '', after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      checkRecordKey(partition, 'x');
      // The smallest string after `after`, and one above every string with the prefix; order is that of UTF-8 bytes.
      const low = [prefix, after === '' ? '' : `${after}\u0000`].sort(compareUtf8).at(-1) ?? '';
      const high = `${prefix}\u{10ffff}`;
      if (limit <= 0 || compareUtf8(low, high) > 0) return;
      const pages = paginateQuery(
        { client, pageSize: Math.min(limit, 500) },
        {
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: low === '' ? 'pk = :pk' : 'pk = :pk AND sk BETWEEN :low AND :high',
          ExpressionAttributeValues: {
            ':pk': { S: partition },
            ...(low !== '' && { ':low': { S: low }, ':high': { S: high } }),
          },
        },
      );
      let left = limit;
      try {
        for await (const { Items = [] } of pages)
          for (const item of Items) {
            const record = toRecord<T>(item);
            if (record === null) continue;
            yield record;
            if (--left === 0) return;
          }
      } catch (error) {
        throw awsError(error, 'DynamoDB');
      }
    },
    async close() {
      client.destroy();
    },
  };
}

function keyOf(partition: string, sort: string): Item {
  return { pk: { S: partition }, sk: { S: sort } };
}

/** An expired item counts as absent, though DynamoDB removes it hours later. */
function conditionOf(condition: Condition | undefined): { expression?: string; values: Item } {
  if (condition === undefined) return { values: {} };
  const now = { ':now': { N: String(Date.now()) } };
  return condition === 'absent'
    ? { expression: 'attribute_not_exists(pk) OR expires <= :now', values: now }
    : {
        expression: 'version = :version AND (attribute_not_exists(expires) OR expires > :now)',
        values: { ...now, ':version': { N: String(condition.version) } },
      };
}

function update(
  table: string,
  partition: string,
  sort: string,
  value: unknown,
  condition?: Condition,
  expiresAt?: Date,
) {
  const { expression, values } = conditionOf(condition);
  const expires = expiresAt?.getTime();
  const set = 'SET #value = :value, version = if_not_exists(version, :zero) + :one';
  return {
    TableName: table,
    Key: keyOf(partition, sort),
    UpdateExpression: expires === undefined ? `${set} REMOVE expires, #ttl` : `${set}, expires = :expires, #ttl = :ttl`,
    ExpressionAttributeNames: { '#value': 'value', '#ttl': 'ttl' },
    ExpressionAttributeValues: {
      ...values,
      ':value': { S: encodeValue(value) },
      ':zero': { N: String(firstVersion() - 1) },
      ':one': { N: '1' },
      ...(expires !== undefined && {
        ':expires': { N: String(expires) },
        ':ttl': { N: String(Math.ceil(expires / 1000)) },
      }),
    },
    ...(expression !== undefined && { ConditionExpression: expression }),
  };
}

function removal(table: string, partition: string, sort: string, condition?: Condition) {
  const { expression, values } = conditionOf(condition);
  return {
    TableName: table,
    Key: keyOf(partition, sort),
    ...(expression !== undefined && { ConditionExpression: expression, ExpressionAttributeValues: values }),
  };
}

function toTransactItem(table: string, { partition, sort, value, condition, expiresAt }: Write) {
  return value === undefined
    ? { Delete: removal(table, partition, sort, condition) }
    : { Update: update(table, partition, sort, value, condition, expiresAt) };
}

function conditionError(error: unknown, sort: string): unknown {
  return nameOf(error) === 'ConditionalCheckFailedException'
    ? new PreconditionFailed(`The record ${sort}`)
    : awsError(error, 'DynamoDB');
}

function toRecord<T>(item: Item): StoredRecord<T> | null {
  const expires = item.expires?.N === undefined ? null : Number(item.expires.N);
  if (expires !== null && expires <= Date.now()) return null;
  return {
    partition: item.pk?.S ?? '',
    sort: item.sk?.S ?? '',
    value: JSON.parse(item.value?.S ?? 'null'),
    version: Number(item.version?.N),
    expiresAt: expires === null ? null : new Date(expires),
  };
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
