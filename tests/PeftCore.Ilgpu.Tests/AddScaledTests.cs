using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu.Tests;

public sealed class AddScaledTests
{
    [TestCase(1)]
    [TestCase(3)]
    [TestCase(257)]
    public void Adds_a_multiple_of_one_view_to_the_other(int length)
    {
        using Context context = Context.Create(builder => builder.CPU(CPUDevice.Default));
        using Accelerator accelerator = CPUDevice.Default.CreateAccelerator(context);
        float[] x = [.. Enumerable.Range(0, length).Select(i => i * 0.5f)];
        float[] y = [.. Enumerable.Range(0, length).Select(i => 1f - i)];
        using MemoryBuffer1D<float, Stride1D.Dense> deviceX = accelerator.Allocate1D(x);
        using MemoryBuffer1D<float, Stride1D.Dense> deviceY = accelerator.Allocate1D(y);

        new AddScaled(accelerator).Launch(deviceX.View, deviceY.View, 2f);
        accelerator.Synchronize();

        Assert.That(deviceY.GetAsArray1D(), Is.EqualTo(Enumerable.Repeat(1f, length)));
    }

    [Test]
    public void Refuses_views_of_different_lengths()
    {
        using Context context = Context.Create(builder => builder.CPU(CPUDevice.Default));
        using Accelerator accelerator = CPUDevice.Default.CreateAccelerator(context);
        using MemoryBuffer1D<float, Stride1D.Dense> two = accelerator.Allocate1D(new float[2]);
        using MemoryBuffer1D<float, Stride1D.Dense> three = accelerator.Allocate1D(new float[3]);
        var addScaled = new AddScaled(accelerator);

        Assert.That(() => addScaled.Launch(two.View, three.View, 1f), Throws.ArgumentException.With.Message.Contains("2 elements").And.Message.Contains("has 3"));
    }
}
