using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session.Fit;

/// <summary>Rates of a device, from which the time of a step is predicted. They are measured on one machine each, because a plan is also
/// made for devices that are not there: predictions order proposals and are no measurement.</summary>
/// <param name="Flops">Floating-point operations a second of products with many rows.</param>
/// <param name="HalfRows">Rows of a product with which half of <paramref name="Flops"/> is reached.</param>
/// <param name="Memory">Bytes a second that weights are read with.</param>
/// <param name="Link">Bytes a second from host memory to the device.</param>
/// <param name="Disk">Bytes a second from the weight file.</param>
internal sealed record DeviceRates(double Flops, double HalfRows, double Memory, double Link, double Disk)
{
    /// <summary>A step that streams takes this times the longer one of computing and copying: 1.14 was measured for Llama-3.1-8B within
    /// 10 GiB (bench/results/gpu.md).</summary>
    public const double StreamingFactor = 1.14;

    /// <summary>Bytes a second that quantised weights are written with when they are dequantised for a product.</summary>
    public double Dequantized { get; private init; } = double.PositiveInfinity;

    /// <summary>The time of a product with an INT8 weight over that of a plain one.</summary>
    public double Int8Factor { get; private init; } = 1;

    // bench/results/gpu.md. BF16: a step of Llama-3.1-8B on one H200, 134 TFLOP in 242.6 ms with 4,096 rows of tokens; its link copies
    // 55 GB/s; NF4 is dequantised at 2,900 GB/s; a product with INT8 takes 0.766 ms where BF16 takes 0.624. F32: products on one H100.
    private static readonly DeviceRates Tensors = new(6.2e14, 512, 3.3e12, 5.5e10, 1e9) { Dequantized = 2.9e12, Int8Factor = 1.23 };
    private static readonly DeviceRates Portable = new(1.45e13, 64, 3.3e12, 5.5e10, 1e9) { Dequantized = 2.9e12 };

    // The interpreter of kernels, which is for checks: a step of base-llama with 32 tokens, 0.45 GFLOP, takes several seconds.
    private static readonly DeviceRates Interpreted = new(5e7, 1, 1e9, 1e10, 1e9);

    // bench/results/cpu.md: 118 GFLOP/s of multiply-adds a core of 512 bits. Products with 128 rows reach 0.8 of the peak. Two cores read
    // 20 GB/s of weights. Quantised weights are taken to be written at that rate when they are dequantised, which is cautious, because
    // they change the loss: with 128 rows of tokens a step with NF4 takes 0.96 to 1.02 of that with F32, one with INT8 0.84 to 1.07. A
    // weight file is read at 1 GB/s, as a solid state disk does it.
    private static DeviceRates Cpu(int cores) =>
        new(1.2e11 * cores * Processor.VectorBits / 512, 32, 2e10, double.PositiveInfinity, 1e9) { Dequantized = 2e10 };

    /// <summary>The rates of the device of a run.</summary>
    public static DeviceRates Of(TrainOptions options) => options.Device switch
    {
        "cpu" => Cpu(options.Threads > 0 ? options.Threads : Environment.ProcessorCount),
        "ilgpu-cpu" => Interpreted,
        _ => options.Dtype == DType.BF16 ? Tensors : Portable,
    };
}
