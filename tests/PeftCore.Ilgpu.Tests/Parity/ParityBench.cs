using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The same tensor on the processor and on the device under test.</summary>
internal sealed record Twin(Tensor Cpu, Tensor Device);

/// <summary>Runs one op on both backends with the same inputs, and compares the results.</summary>
internal sealed class ParityBench(Backend cpu, Backend device, bool big, int seed = 7)
{
    private readonly Random _random = new(seed);

    public Backend Cpu => cpu;

    /// <summary>A small extent for ILGPU's CPU accelerator, a realistic one for a card.</summary>
    public int Size(int toy, int real) => big ? real : toy;

    /// <summary>Uniform in ±<paramref name="scale"/>.</summary>
    public Twin Random(Shape shape, DType dtype = DType.F32, float scale = 1)
    {
        float[] values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = scale * ((2 * _random.NextSingle()) - 1);
        }
        return Floats(values, shape, dtype);
    }

    public Twin Floats(float[] values, Shape shape, DType dtype = DType.F32)
    {
        using var f32 = cpu.From(values, shape);
        var here = cpu.NewTensor(shape, dtype);
        cpu.Cast(f32, here);
        return Mirror(here);
    }

    /// <summary>Numbers that BF16 represents exactly: in F32 on the CPU, in BF16 on the device.</summary>
    public Twin Activation(Shape shape, float scale = 1)
    {
        var bf16 = Random(shape, DType.BF16, scale);
        var f32 = cpu.NewTensor(shape);
        cpu.Cast(bf16.Cpu, f32);
        return new Twin(f32, bf16.Device);
    }

    /// <summary>An output for such numbers: unwritten memory, or numbers to add to.</summary>
    public Twin Result(Shape shape, bool accumulate = false) =>
        accumulate ? Activation(shape) : new Twin(cpu.NewTensor(shape), device.NewTensor(shape, DType.BF16));

    public Twin Ints(int[] values, Shape shape) => Mirror(cpu.From(values, shape));

    public Twin Ints(Shape shape, int low, int high) =>
        Ints([.. Enumerable.Range(0, (int)shape.Count).Select(_ => _random.Next(low, high))], shape);

    /// <summary>Unwritten memory; the backends poison it.</summary>
    public Twin Empty(Shape shape, DType dtype = DType.F32) => new(cpu.NewTensor(shape, dtype), device.NewTensor(shape, dtype));

    /// <summary>An output: unwritten memory, or numbers to add to.</summary>
    public Twin Target(Shape shape, bool accumulate) => accumulate ? Random(shape) : Empty(shape);

    public void Run(Action<Backend, Func<Twin, Tensor>> job)
    {
        job(cpu, twin => twin.Cpu);
        job(device, twin => twin.Device);
    }

    /// <summary>‖device − cpu‖ / ‖cpu‖, both norms the largest element's, in units of <paramref name="tolerance"/>; throws above
    /// 1.</summary>
    public void Same(Twin twin, string what, double tolerance = 2e-6)
    {
        float[] expected = Widened(twin.Cpu), actual = Widened(twin.Device);
        double largest = 0, worst = 0;
        int at = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (float.IsFinite(expected[i]))
            {
                largest = Math.Max(largest, Math.Abs(expected[i]));
            }
            double error = expected[i].Equals(actual[i]) ? 0 : Math.Abs((double)expected[i] - actual[i]);
            error = double.IsNaN(error) ? double.PositiveInfinity : error;
            if (error > worst)
            {
                (worst, at) = (error, i);
            }
        }
        if (worst > tolerance * Math.Max(largest, 1e-6))
        {
            throw new InvalidOperationException(
                $"{what}: element {at} of {expected.Length} is {actual[at]}, expected {expected[at]}; the largest is {largest}, allowed " +
                $"{tolerance}");
        }
    }

    private float[] Widened(Tensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteCount];
        ((Backend)tensor.Device).Download(tensor, bytes);
        if (tensor.DType == DType.F32)
        {
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        }
        using var here = cpu.NewTensor(tensor.Shape, tensor.DType);
        cpu.Upload(bytes, here);
        using var f32 = cpu.NewTensor(tensor.Shape);
        cpu.Cast(here, f32);
        return f32.ToArray<float>();
    }

    private Twin Mirror(Tensor here)
    {
        var there = device.NewTensor(here.Shape, here.DType);
        device.Upload(here.ToBytes(), there);
        return new Twin(here, there);
    }
}
