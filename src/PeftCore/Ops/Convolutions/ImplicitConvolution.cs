using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Convolutions as implicit products (implicit GEMM): the device gathers patches while it loads the tiles of the product, so that
/// they are never in memory. The weight is copied to the order (out, kernel position, channel) for each product, because a tile is read
/// from one kernel position; this costs less than packing patches unless they are few.</summary>
internal static class ImplicitConvolution
{
    /// <summary>Channels of one tile of patches.</summary>
    private const int Depth = 64;

    /// <summary>Outputs for one patch up to which the copy of the weight costs less than packing: it is written in whole lines.</summary>
    private const int OutputsOfPatch = 8;

    /// <summary>Elements of a weight's row at whose multiples the device reads.</summary>
    private const int Chunk = 8;

    // What the copy engine of a Hopper card describes: CUtensorMap's corners of the picture, and its steps.
    private const int LeastCorner = -128, MostCorner = 127, MostStride = 8;

    /// <summary>Whether the device computes y without packed patches.</summary>
    public static bool Takes(Tensor x, PatchGrid grid, Tensor weight) =>
        x.Backend.ConvolvesImplicitly && x.DType == DType.BF16 && weight.DType is DType.F32 or DType.BF16
        && grid is { Groups: 1, Upsampling: 1, StrideHeight: <= MostStride, StrideWidth: <= MostStride }
        && grid.Channels % Depth == 0 && (long)OutputsOfPatch * grid.Rows >= weight.Shape[0]
        && Fits(grid.PadTop, grid.LastTop) && Fits(grid.PadLeft, grid.LastLeft);

    /// <summary>Whether it computes dx so.</summary>
    public static bool TakesGradient(Tensor dy, PatchGrid grid, Tensor weight) =>
        grid is { StrideHeight: 1, StrideWidth: 1 } && grid.Channels % Chunk == 0 && Takes(dy, grid.Transposed(weight.Shape[0]), weight);

    /// <summary>y = P·Wᵀ + bias with the patches P of x.</summary>
    public static void Run(Tensor x, PatchGrid grid, Tensor weight, Tensor? bias, Tensor y)
    {
        using var scope = new TensorScope();
        x.Backend.Convolve(x, grid, ChannelsLast(x, grid, weight), bias, y);
    }

    /// <summary>dx (+)= the gradient of x.</summary>
    public static void Gradient(Tensor dy, PatchGrid grid, Tensor weight, Tensor dx, bool accumulate)
    {
        using var scope = new TensorScope();
        dy.Backend.ConvolveGradient(dy, grid, ChannelsLast(dy, grid, weight), dx, accumulate);
    }

    private static Tensor ChannelsLast(Tensor like, PatchGrid grid, Tensor weight)
    {
        var channelsLast = like.NewLike(weight.Shape, DType.BF16, MemoryKind.Workspace);
        like.Backend.WeightChannelsLast(weight, grid.Channels, channelsLast);
        return channelsLast;
    }

    private static bool Fits(int pad, int last) => -pad is >= LeastCorner and <= MostCorner && last is >= LeastCorner and <= MostCorner;
}
