using System.Runtime.InteropServices;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Transfers between host and tensors, copies, conversions and fills.</summary>
internal sealed class CpuTransfers(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Upload(ReadOnlySpan<byte> from, Tensor to)
    {
        Stream.BreakCapture();
        using var use = Stream.Use();
        HostCopy.Copy(from, Out(to).Bytes, Stream.Pool);
    }

    public void Download(Tensor from, Span<byte> to)
    {
        Stream.BreakCapture();
        using var use = Stream.Use();
        In(from).Bytes.CopyTo(to);
    }

    public void Copy(Tensor from, Tensor to) =>
        Launch(LaunchCost.Of("copy", from, to), (from: In(from), to: Out(to)), static (c, _) => Copy(c.from, c.to));

    public void Cast(Tensor from, Tensor to) =>
        Launch(LaunchCost.Of("cast", from, to), (from: In(from), to: Out(to)), static (c, s) => Cast(c.from, c.to, s));

    public void Fill(Tensor tensor, float value) =>
        Launch(LaunchCost.Of("fill", tensor), (y: Out(tensor), value), static (c, s) =>
        {
            foreach (var part in s.PartsOf(c.y))
            {
                c.y[part].F32.Fill(c.value);
            }
        });

    public unsafe void Zero(Tensor tensor) =>
        Launch(LaunchCost.Of("zero", tensor), Out(tensor), static (y, _) => NativeMemory.Clear(y.Data, (nuint)y.ByteCount));

    private static unsafe void Copy(CpuTensorView from, CpuTensorView to) =>
        Buffer.MemoryCopy(from.Data, to.Data, to.ByteCount, from.ByteCount);

    private static void Cast(CpuTensorView from, CpuTensorView to, CpuStream stream)
    {
        if (from.DType == to.DType)
        {
            Copy(from, to);
            return;
        }
        if (from.DType != DType.F32 && to.DType != DType.F32)
        {
            throw new ShapeException("cast", $"there is no direct way from {from.DType} to {to.DType}; go through F32");
        }
        foreach (var part in stream.PartsOf(from))
        {
            if (to.DType == DType.F32)
            {
                Elements.ToFloat(from[part].Bytes, from.DType.Element, to[part].F32, stream.Pool);
            }
            else
            {
                Elements.FromFloat(from[part].F32, to[part].Bytes, to.DType.Element, stream.Pool);
            }
        }
    }
}
