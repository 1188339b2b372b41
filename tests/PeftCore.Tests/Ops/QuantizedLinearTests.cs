using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Products with quantised weights equal those with the numbers that the weights stand for.</summary>
public class QuantizedLinearTests
{
    private static readonly QuantizedFormat[] Formats =
    [
        new(QuantizedKind.NF4), new(QuantizedKind.NF4, DoubleQuantized: true), new(QuantizedKind.FP4),
        new(QuantizedKind.FP4, DoubleQuantized: true), new(QuantizedKind.Int8, BlockSize: 0),
    ];

    [TestCaseSource(nameof(Formats))]
    public void A_linear_layer_and_its_gradient_use_the_dequantised_weight(object given)
    {
        var format = (QuantizedFormat)given;
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        const int rows = 5, inputs = 67, outputs = 33;
        var weight = backend.NewTensor([outputs, inputs], format);
        var random = new Random(1);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
        backend.Quantize(backend.From(Numbers(outputs * inputs), [outputs, inputs], MemoryKind.Frozen), weight);
        float[] values = Numbers(rows * inputs), gradient = Numbers(rows * outputs);
        float[] numbers = weight.ToFloats();
        var plain = backend.From(numbers, [outputs, inputs], MemoryKind.Frozen);

        var (y, dx) = Run(weight);
        var (expected, expectedDx) = Run(plain);

        // LLM.int8() rounds the rows of x to 8 bits.
        Assert.That(Fixtures.Error(y, expected), Is.LessThan(format.QuantizesRows ? 1e-2 : 1e-6));
        Assert.That(Fixtures.Error(dx, expectedDx), Is.LessThan(1e-6));

        (float[] Y, float[] Dx) Run(Tensor w)
        {
            using var inner = new TensorScope();
            using var tape = new Tape();
            var x = backend.From(values, [rows, inputs]);
            x.TrackGradient();
            var result = x.Linear(w);
            tape.Backward(result, backend.From(gradient, [rows, outputs]));
            return (result.ToFloats(), x.Gradient!.ToFloats());
        }
    }
}
