using System.Numerics;
using System.Runtime.InteropServices;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere.Quantized;
using PeftCore.Kernels.Ilgpu.Portable.Quantized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Conversions between numbers and quantised weights, bit by bit as on the CPU.</summary>
internal sealed class QuantizedLauncher(LaunchContext gpu, QuantizedTables tables, QuantizedKernels? kernels)
{
    // Blocks of scales that a thread of the host quantises at once.
    private const int ScaleBlocks = 64;

    /// <summary>Quantises a matrix. Double quantisation of the scales takes the host, since their mean is summed in the order of the
    /// reference: it is for loading, not for a captured pass.</summary>
    public void Quantize(Tensor from, Tensor to)
    {
        if (from.Count > 0)
        {
            DTypeSwitch.Element(from.DType, new QuantizeLaunch(this, from, to));
        }
        gpu.Written(to);
    }

    /// <summary>Writes the numbers that a quantised matrix stands for, rounded to the dtype of the result.</summary>
    public void Dequantize(Tensor from, Tensor to)
    {
        if (from.Count > 0)
        {
            gpu.Moves(from, to);
            if (!TryDequantizeFast(from, to))
            {
                DTypeSwitch.Element(to.DType, new DequantizeLaunch(this, from, to));
            }
        }
        gpu.Written(to);
    }

    /// <summary>The kernel for BF16 at the rate of memory; false, with nothing done, for other tensors.</summary>
    private bool TryDequantizeFast(Tensor from, Tensor to)
    {
        var weight = new QuantizedView(gpu, from);
        var format = weight.Format;
        bool rows = format.QuantizesRows;
        int each = rows ? from.Shape.Columns : format.BlockSize;
        if (kernels is null || to.DType != DType.BF16 || to.Count % DequantizeShape.Group != 0 || Address(to) % 16 != 0
            || CodesAreUnaligned(weight) || each % DequantizeShape.Group != 0 || (!rows && !BitOperations.IsPow2(each)))
        {
            return false;
        }
        var shape = new DequantizeShape(!rows, format.DoubleQuantized);
        int groups = each / DequantizeShape.Group;
        var args = new DequantizeArgs
        {
            Codes = weight.CodeAddress,
            Scales = weight.ScaleAddress,
            ScaleScales = weight.ScaleScaleAddress,
            Mean = weight.MeanAddress,
            Numbers = Address(to),
            Levels = rows ? 0 : tables.LevelsOf(format.Kind),
            Map = rows ? 0 : tables.Map,
            Groups = to.Count / DequantizeShape.Group,
            GroupsPerScale = rows ? groups : BitOperations.Log2((uint)groups),
        };
        kernels.Load(shape); // Before the timer starts.
        gpu.Device.Timer?.Start();
        kernels.Run(shape, args);
        gpu.Device.StopTiming(typeof(DequantizeKernel));
        return true;
    }

    private static bool CodesAreUnaligned(in QuantizedView weight) => weight.CodeAddress % 16 != 0;

    private void Quantize<TElement>(Tensor from, Tensor to) where TElement : unmanaged, IElement<TElement>
    {
        var weight = new QuantizedView(gpu, to);
        if (weight.Format.QuantizesRows)
        {
            gpu.Run<RowQuantize<TElement>, RowQuantizeArgs<TElement>>(to.Shape.Rows, 1, new RowQuantizeArgs<TElement>
            {
                Numbers = gpu.View<TElement>(from), Codes = weight.Int8Codes, Scales = weight.Scales, Columns = to.Shape.Columns,
                Outliers = gpu.None<int>(),
            });
            return;
        }
        var args = new FourBitQuantizeArgs<TElement>
        {
            Numbers = gpu.View<TElement>(from), Codes = weight.Codes, Scales = weight.Scales, Table = tables.ViewOf(weight.Format.Kind),
            BlockSize = weight.Format.BlockSize,
        };
        if (!weight.Format.DoubleQuantized)
        {
            gpu.ForEach<FourBitQuantize<TElement>, FourBitQuantizeArgs<TElement>>(weight.Parts.ScaleCount, args);
            return;
        }
        using var scales = new Scratch(gpu, weight.Parts.ScaleCount);
        args.Scales = scales.View;
        gpu.ForEach<FourBitQuantize<TElement>, FourBitQuantizeArgs<TElement>>(weight.Parts.ScaleCount, args);
        StoreScales(scales, weight);
    }

    private void StoreScales(in Scratch device, in QuantizedView weight)
    {
        var parts = weight.Parts;
        float[] scales = new float[parts.ScaleCount];
        gpu.Device.Memory.Download(device.Address, MemoryMarshal.AsBytes(scales.AsSpan()));
        byte[] stored = new byte[parts.Bytes - parts.Scales];
        int scaleScales = (int)(parts.ScaleScales - parts.Scales), blocks = (int)parts.ScaleScaleCount;
        float mean = ScaleCodes.Mean(scales);
        Parallel.For(0, (blocks + ScaleBlocks - 1) / ScaleBlocks, part =>
        {
            int block = part * ScaleBlocks, first = block * QuantizedFormat.ScaleBlock;
            int count = Math.Min(ScaleBlocks * QuantizedFormat.ScaleBlock, scales.Length - first);
            ScaleCodes.Quantize(scales.AsSpan(first, count), mean, QuantizedFormat.ScaleBlock, stored.AsSpan(first, count),
                MemoryMarshal.Cast<byte, float>(stored.AsSpan(scaleScales)).Slice(block, Math.Min(ScaleBlocks, blocks - block)));
        });
        MemoryMarshal.Write(stored.AsSpan((int)(parts.Mean - parts.Scales)), mean);
        gpu.Device.Memory.Upload(stored, weight.ScaleAddress);
    }

    private void Dequantize<TElement>(Tensor from, Tensor to) where TElement : unmanaged, IElement<TElement>
    {
        var weight = new QuantizedView(gpu, from);
        if (weight.Format.QuantizesRows)
        {
            gpu.ForEach<RowDequantize<TElement>, RowDequantizeArgs<TElement>>(to.Count, new RowDequantizeArgs<TElement>
            {
                Codes = weight.Int8Codes, Scales = weight.Scales, Numbers = gpu.View<TElement>(to), Columns = to.Shape.Columns,
            });
            return;
        }
        gpu.ForEach<FourBitDequantize<TElement>, FourBitDequantizeArgs<TElement>>(to.Count, new FourBitDequantizeArgs<TElement>
        {
            Codes = weight.Codes,
            Scales = weight.Scales,
            ScaleCodes = weight.ScaleCodes,
            ScaleScales = weight.ScaleScales,
            Mean = weight.Mean,
            Levels = tables.ViewOf(weight.Format.Kind),
            Map = tables.MapView,
            Numbers = gpu.View<TElement>(to),
            BlockSize = weight.Format.BlockSize,
            ScaleBlock = QuantizedFormat.ScaleBlock,
        });
    }

    private readonly record struct QuantizeLaunch(QuantizedLauncher Launcher, Tensor From, Tensor To) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> => Launcher.Quantize<TElement>(From, To);
    }

    private readonly record struct DequantizeLaunch(QuantizedLauncher Launcher, Tensor From, Tensor To) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> => Launcher.Dequantize<TElement>(From, To);
    }
}
