using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Linear maps with rank-r updates on quantised weights, on one device against the CPU: values and gradients, for few rows, which
/// a card streams, and for many.</summary>
public abstract class QuantizedLinearTests(string device, DType compute, double tolerance)
{
    private static readonly QuantizedFormat[] Formats =
    [
        new(QuantizedKind.NF4), new(QuantizedKind.NF4, DoubleQuantized: true), new(QuantizedKind.FP4, DoubleQuantized: true),
    ];

    [Test]
    public void Several_maps_of_one_input_agree_with_the_cpu([ValueSource(nameof(Formats))] object given, [Values(5, 70)] int rows)
    {
        var format = (QuantizedFormat)given;
        using var cpu = new CpuBackend();
        var (expected, expectedDx, expectedDa) = Run(cpu, format, rows);
        var (actual, dx, da) = Run(SharedDevices.Open(device, compute), format, rows);

        using (Assert.EnterMultipleScope())
        {
            for (int i = 0; i < expected.Length; i++)
            {
                Assert.That(Error(actual[i], expected[i]), Is.LessThan(tolerance), $"output {i}");
            }
            Assert.That(Error(dx, expectedDx), Is.LessThan(tolerance), "dx");
            Assert.That(Error(da, expectedDa), Is.LessThan(tolerance), "dA");
        }
    }

    private static (float[][] Y, float[] Dx, float[] Da) Run(Backend backend, QuantizedFormat format, int rows)
    {
        const int inputs = 128, rank = 8;
        int[] outputs = [72, 40, 40];
        using var scope = new TensorScope();
        using var tape = new Tape();
        var random = new Random(5);
        var source = backend.From(Numbers([rows, inputs], 1), [rows, inputs]);
        source.TrackGradient();
        var x = backend.ActivationDType == DType.F32 ? source : source.Cast(backend.ActivationDType);
        var linears = new AdaptedLinear[outputs.Length];
        Tensor? firstA = null;
        for (int i = 0; i < outputs.Length; i++)
        {
            var weight = backend.NewTensor([outputs[i], inputs], format);
            backend.Quantize(Parameter([outputs[i], inputs], 0.2f, MemoryKind.Frozen), weight);
            var a = Parameter([rank, inputs], 0.3f, MemoryKind.Trainable);
            a.TrackGradient();
            firstA ??= a;
            var b = Parameter([outputs[i], rank], 0.3f, MemoryKind.Trainable);
            b.TrackGradient();
            linears[i] = new AdaptedLinear(weight, i == 0 ? Parameter([outputs[i]], 1, MemoryKind.Frozen) : null, false,
                [new LowRankUpdate(a, b, 0.5f)]);
        }
        var y = x.LoraLinears(linears);
        tape.Backward(y[0].ConcatColumns(y[1]).ConcatColumns(y[2]), Activation([rows, outputs.Sum()], 1));
        return ([.. y.Select(result => result.ToFloats())], source.Gradient!.ToFloats(), firstA!.Gradient!.ToFloats());

        Tensor Parameter(Shape shape, float scale, MemoryKind kind) => backend.From(Numbers(shape, scale), shape, kind);

        Tensor Activation(Shape shape, float scale)
        {
            var values = backend.From(Numbers(shape, scale), shape);
            var stored = backend.NewTensor(shape, backend.ActivationDType);
            backend.Cast(values, stored);
            return stored;
        }

        // Numbers that BF16 represents exactly.
        float[] Numbers(Shape shape, float scale) =>
            [.. Enumerable.Range(0, (int)shape.Count).Select(_ => scale * ((random.Next(257) - 128) / 128f))];
    }

    private static double Error(float[] actual, float[] expected)
    {
        double largest = expected.Max(Math.Abs), worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs((double)actual[i] - expected[i]));
        }
        return worst / largest;
    }
}

[TestFixture]
public sealed class IlgpuCpuQuantizedLinearTests() : QuantizedLinearTests("ilgpu-cpu", DType.F32, 1e-5);

[TestFixture]
public sealed class CudaQuantizedLinearTests() : QuantizedLinearTests("cuda", DType.F32, 1e-5);

[TestFixture]
public sealed class CudaBf16QuantizedLinearTests() : QuantizedLinearTests("cuda", DType.BF16, 2e-2);
