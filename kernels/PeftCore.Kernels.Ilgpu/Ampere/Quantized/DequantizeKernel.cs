using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>Arguments of <see cref="DequantizeKernel"/>. Addresses are plain numbers, because ILGPU does not launch this kernel.</summary>
internal struct DequantizeArgs
{
    public long Codes, Scales, ScaleScales, Mean, Numbers;

    /// <summary>Addresses of the levels and of the dynamic map.</summary>
    public long Levels, Map;

    /// <summary>Groups of eight numbers.</summary>
    public long Groups;

    /// <summary>Binary logarithm of the groups of a block; INT8: groups of a row.</summary>
    public int GroupsPerScale;
}

/// <summary>A quantised matrix to BF16 at the rate of memory: a thread reads the codes of eight numbers as one word, multiplies levels from
/// shared memory by the scale in F32, and writes 16 bytes. The readable twins are
/// <see cref="Portable.Quantized.FourBitDequantize{TElement}"/> and <see cref="Portable.Quantized.RowDequantize{TElement}"/>; tests compare
/// the bits.</summary>
internal readonly struct DequantizeKernel : IKernel<DequantizeArgs>
{
    public static void Run(DequantizeArgs args)
    {
        long first = ((long)Grid.IdxX * (DequantizeShape.Threads * DequantizeShape.GroupsPerThread)) + Group.IdxX;
        CudaAsm.Emit("peft.begin;");
        CudaAsm.Emit("peft.load %0, %1, %2, %3, %4, %5;", first, args.Groups, args.Codes, args.Scales, args.ScaleScales,
            args.GroupsPerScale);
        CudaAsm.Emit("peft.tables %0, %1, %2;", args.Levels, args.Map, args.Mean);
        Group.Barrier();
        CudaAsm.Emit("peft.store %0;", args.Numbers);
    }
}
