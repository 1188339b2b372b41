using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

public sealed class PadRowsTests
{
    [TestCase(11, DType.F32)]
    [TestCase(11, DType.BF16)]
    [TestCase(1, DType.BF16)]
    [TestCase(16, DType.F32)]
    public void Rows_of_any_width_are_padded_to_whole_chunks_with_zeros(int columns, DType dtype)
    {
        const int Rows = 3;
        int pitch = GemmSchedule.Pitch(columns);
        using var scope = new TensorScope();
        using var backend = (IlgpuBackend)IlgpuDevices.Open("ilgpu-cpu", new IlgpuOptions(DType.BF16, Poison: true));
        float[] values = [.. Enumerable.Range(1, Rows * columns).Select(i => (float)i)];
        Tensor values32 = backend.From(values, [Rows, columns]), from = backend.NewTensor([Rows, columns], dtype);
        backend.Cast(values32, from);
        Tensor to = backend.NewTensor([Rows, pitch], DType.BF16), back = backend.NewTensor([Rows, pitch]);

        backend.Casts.PadRows(from, to);
        backend.Cast(to, back);

        Assert.That(back.ToArray<float>(), Is.EqualTo(Enumerable.Range(0, Rows * pitch)
            .Select(i => i % pitch < columns ? values[(i / pitch * columns) + (i % pitch)] : 0)));
    }
}
