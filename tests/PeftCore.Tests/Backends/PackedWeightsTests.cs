using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Backends;

public sealed class PackedWeightsTests
{
    private const int M = 37, N = 71, K = 45;
    private CpuBackend _packing = null!;
    private CpuBackend _plain = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open() =>
        (_packing, _plain, _scope) = (new CpuBackend(2, poison: true, packWeights: true), new CpuBackend(2,
            poison: true), new TensorScope());

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _packing.Dispose();
        _plain.Dispose();
    }

    [Test]
    public void A_product_with_a_frozen_weight_is_the_same_in_both_orientations([Values] bool transposed,
        [Values("f32", "bf16")] string dtype)
    {
        Assert.That(Product(_packing, dtype, transposed, out _), Is.EqualTo(Product(_plain, dtype, transposed, out _)).Within(1e-4f));
    }

    [Test]
    public void Packed_numbers_are_counted_with_the_weight_and_go_with_it([Values("f32", "bf16")] string dtype)
    {
        long before = _packing.Memory.Current(MemoryKind.Frozen);
        Product(_packing, dtype, false, out var weight);
        long packed = _packing.Memory.Current(MemoryKind.Frozen) - before - weight.Storage.ReservedBytes;
        weight.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(packed, Is.InRange((long)N * K * (dtype == "f32" ? 4 : 2), 2L * N * K * (dtype == "f32" ? 4 : 2)));
            Assert.That(_packing.Memory.Current(MemoryKind.Frozen), Is.EqualTo(before));
        }
    }

    [TestCase("upload")]
    [TestCase("copy")]
    [TestCase("cast")]
    [TestCase("zero")]
    [TestCase("matmul")]
    [TestCase("scale")]
    [TestCase("scatter")]
    [TestCase("columns")]
    [TestCase("sgd")]
    public void A_weight_that_was_written_is_packed_anew(string how)
    {
        float[] first = Product(_packing, "f32", false, out var weight);
        Product(_plain, "f32", false, out var same);
        Write(_packing, how, weight);
        Write(_plain, how, same);
        float[] again = Times(_packing, weight, false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again, Is.EqualTo(Times(_plain, same, false)).Within(1e-4f));
            Assert.That(again, Is.Not.EqualTo(first));
        }
    }

    [Test]
    public void Few_rows_read_the_weight_as_it_is()
    {
        var weight = Normal(_packing, [K, N], DType.F32, 1, MemoryKind.Frozen);
        long before = _packing.Memory.CurrentBytes;
        var c = _packing.NewTensor([2, N]);
        _packing.MatMul(Normal(_packing, [2, K], DType.F32, 0, MemoryKind.Activation), false, weight, false, c);
        Assert.That(_packing.Memory.Current(MemoryKind.Frozen), Is.EqualTo(weight.Storage.ReservedBytes));
        Assert.That(_packing.Memory.CurrentBytes, Is.GreaterThan(before));
    }

    private static void Write(CpuBackend backend, string how, Tensor weight)
    {
        var other = Normal(backend, weight.Shape, DType.F32, 5, MemoryKind.Activation);
        var half = Normal(backend, weight.Shape, DType.BF16, 6, MemoryKind.Activation);
        switch (how)
        {
            case "upload":
                backend.Upload(new byte[weight.ByteCount], weight);
                break;
            case "copy":
                backend.Copy(other, weight);
                break;
            case "cast":
                backend.Cast(half, weight);
                break;
            case "zero":
                backend.Zero(weight);
                break;
            case "matmul":
                backend.MatMul(Normal(backend, [K, 3], DType.F32, 7, MemoryKind.Activation), false,
                    Normal(backend, [3, N], DType.F32, 8, MemoryKind.Activation), false,
                    weight, 1, accumulate: true);
                break;
            case "scale":
                backend.Scale(other, 2, weight, true);
                break;
            case "scatter":
                backend.ScatterAdd(backend.From([3], [1]), Normal(backend, [1, N], DType.F32, 9, MemoryKind.Activation), weight);
                break;
            case "columns":
                backend.CopyColumns(other, 0, weight, 5, 7, false);
                break;
            default:
                backend.Sgd(weight, other, 1, null, 0.1f, 0, 0, false, true);
                break;
        }
    }

    private static float[] Product(CpuBackend backend, string dtype, bool transposed, out Tensor weight)
    {
        weight = Normal(backend, transposed ? [N, K] : [K, N], dtype == "f32" ? DType.F32 : DType.BF16, 1, MemoryKind.Frozen);
        Times(backend, weight, transposed);
        return Times(backend, weight, transposed);
    }

    private static float[] Times(CpuBackend backend, Tensor weight, bool transposed)
    {
        var c = backend.NewTensor([M, N]);
        backend.MatMul(Normal(backend, [M, K], DType.F32, 0, MemoryKind.Activation), false, weight, transposed, c);
        return c.ToFloats();
    }

    private static Tensor Normal(CpuBackend backend, Shape shape, DType dtype, ulong stream, MemoryKind kind)
    {
        var wide = backend.NewTensor(shape);
        backend.FillNormal(wide, 0, 1, 11, stream);
        var stored = backend.NewTensor(shape, dtype, kind);
        backend.Cast(wide, stored);
        return stored;
    }
}
