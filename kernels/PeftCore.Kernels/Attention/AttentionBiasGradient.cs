using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The gradient of an additive bias. An item is one query position of all batches and heads, so that only one thread writes a bias row that
/// heads share.
/// </summary>
internal readonly unsafe struct AttentionBiasGradient(
    AttentionInputs inputs, HeadPointer dO, float* lse, float* delta, float* dBias, WorkerPool pool) : IParallelBody
{
    private readonly float* _lse = lse, _delta = delta, _dBias = dBias;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int i)
    {
        var shape = inputs.Shape;
        using var scratch = pool.Scratch.Rent((2L * shape.KeyLength) + 4);
        float* p = scratch.Pointer;
        for (int b = 0; b < shape.Batch; b++)
        {
            for (int h = 0; h < shape.Heads; h++)
            {
                long row = inputs.Row(b, i, h);
                inputs.Range(b, i, out int from, out int to);
                if (_lse[row] == float.NegativeInfinity)
                {
                    continue;
                }

                Products(b, i, h, from, to, p);
                inputs.FinishScores(p, null, b, h, i, from, to);
                Exponentials.Sum(p, _lse[row], p, to - from);
                float* gradient = dO.At(((long)b * shape.QueryLength) + i, h), into = _dBias + inputs.BiasRow(b, i, h);
                float* factors = inputs.Drops ? inputs.DropoutFactors(p + shape.KeyLength, b, h, i, from, to) : null;
                for (int j = from; j < to; j++)
                {
                    float dot = Simd.Dot(gradient, inputs.Value(b, j, h / inputs.Group), shape.ValueDim);
                    dot *= factors == null ? 1f : factors[j - from];
                    into[j] += p[j - from] * (dot - _delta[row]);
                }
            }
        }
    }

    // products[j − from] = scale·q·k.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Products(int b, int i, int h, int from, int to, float* products)
    {
        var shape = inputs.Shape;
        float* query = inputs.Query(b, i, h);
        for (int j = from; j < to; j++)
        {
            products[j - from] = shape.Scale * Simd.Dot(query, inputs.Key(b, j, h / inputs.Group), shape.HeadDim);
        }
    }
}
