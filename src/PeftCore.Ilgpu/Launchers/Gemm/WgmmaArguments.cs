using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Fills in <see cref="WgmmaArgs"/> and the tensor maps of a product on Hopper's tensor cores.</summary>
internal static unsafe class WgmmaArguments
{
    /// <summary>Extents and strides of results, and where each summand's stages end.</summary>
    public static void SetExtents(ref WgmmaArgs args, in GemmSchedule schedule, ReadOnlySpan<int> widths, ReadOnlySpan<int> ends)
    {
        int bytes = schedule.Shape.Bf16Result ? 2 : 4;
        (args.N0, args.N1, args.N2, args.N3) = (widths[0], At(widths, 1), At(widths, 2), At(widths, 3));
        args.ColumnBytes = bytes;
        if (schedule.SwapAB)
        {
            (args.M, args.N0, args.ColumnBytes) = (widths[0], args.M, bytes * widths[0]);
            (args.Row0, args.Start1) = (bytes, schedule.TilesN);
        }
        else
        {
            (args.Row0, args.Row1) = ((long)bytes * args.N0, (long)bytes * args.N1);
            (args.Row2, args.Row3) = ((long)bytes * args.N2, (long)bytes * args.N3);
            args.Start1 = SplitKSchedule.Count(args.N0, schedule.Shape.TileN);
        }
        args.Start2 = args.Start1 + SplitKSchedule.Count(args.N1, schedule.Shape.TileN);
        args.Start3 = args.Start2 + SplitKSchedule.Count(args.N2, schedule.Shape.TileN);
        (args.End0, args.End1, args.End2, args.End3) = (ends[0], At(ends, 1), At(ends, 2), At(ends, 3));
        (args.End4, args.End5, args.End6) = (At(ends, 4), At(ends, 5), At(ends, 6));
    }

    private static int At(ReadOnlySpan<int> list, int index) => index < list.Length ? list[index] : 0;

    /// <summary>Sets the addresses of a result and its bias; 0 for no bias.</summary>
    public static void SetResult(ref WgmmaArgs args, int index, nint result, nint bias)
    {
        switch (index)
        {
            case 0: (args.C0, args.Bias0) = (result, bias); break;
            case 1: (args.C1, args.Bias1) = (result, bias); break;
            case 2: (args.C2, args.Bias2) = (result, bias); break;
            default: (args.C3, args.Bias3) = (result, bias); break;
        }
    }

    /// <summary>Writes the tensor maps of one summand's operands, in the order in which the kernel reads them.</summary>
    public static void MapOperands(byte* maps, in GemmSchedule schedule, nint a, Shape shapeA, nint b, Shape shapeB)
    {
        if (schedule.SwapAB)
        {
            (a, shapeA, b, shapeB) = (b, shapeB, a, shapeA);
        }
        TensorMap.Write(maps, a, shapeA.Rows, shapeA.Columns, schedule.Shape.BoxA);
        TensorMap.Write(maps + TensorMap.Bytes, b, shapeB.Rows, shapeB.Columns, schedule.Shape.BoxB);
    }
}
