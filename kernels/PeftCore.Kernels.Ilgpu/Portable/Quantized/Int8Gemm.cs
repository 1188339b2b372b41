using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

internal struct Int8GemmArgs<TResult> where TResult : unmanaged
{
    /// <summary>Codes of x (M, K) and of W (N, K), with a scale for each row.</summary>
    public ArrayView<sbyte> X, Weight;
    public ArrayView<float> XScales, WeightScales;
    public ArrayView<TResult> Y;
    public int N, K, Accumulate;
}

/// <summary>y (+)= (codes(x)·codes(W)ᵀ)·scales(x)·scales(W)/127², the sums in whole numbers: the readable twin of the tensor-core product.
/// A thread computes an element.</summary>
internal readonly struct Int8Gemm<TResult> : IKernel<Int8GemmArgs<TResult>> where TResult : unmanaged, IElement<TResult>
{
    public static void Run(Int8GemmArgs<TResult> args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            long row = i / args.N, column = i % args.N;
            int sum = 0;
            for (int k = 0; k < args.K; k++)
            {
                sum += args.X[(row * args.K) + k] * args.Weight[(column * args.K) + k];
            }

            float y = sum * (args.XScales[row] * args.WeightScales[column]) * RowCodes.ProductFactor;
            args.Y[i] = TResult.FromFloat(args.Accumulate != 0 ? TResult.ToFloat(args.Y[i]) + y : y);
        }
    }
}
