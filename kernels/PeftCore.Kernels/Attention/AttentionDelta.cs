using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>delta = rowsum(dO∘O), used in dS = P∘(dP − delta).</summary>
internal readonly unsafe struct AttentionDelta(AttentionInputs inputs, HeadPointer o, HeadPointer dO, float* delta) : IRangeBody
{
    private readonly float* _delta = delta;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int start, int count)
    {
        var shape = inputs.Shape;
        for (int token = start; token < start + count; token++)
        {
            int b = token / shape.QueryLength, i = token % shape.QueryLength;
            for (int h = 0; h < shape.Heads; h++)
            {
                _delta[inputs.Row(b, i, h)] = Simd.Dot(dO.At(token, h), o.At(token, h), shape.ValueDim);
            }
        }
    }
}
