using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace PeftCore.Lessons;

/// <summary>Exercise 13: a kernel that scales columns.</summary>
public static class KernelCheck
{
    /// <summary>Runs the kernel on ILGPU's CPU accelerator.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="kernel">y[t, o] ← y[t, o]·l[o], one thread for each (t, o); the arguments are its index, the number of columns, l and
    /// y.</param>
    public static int Run(string[] args, Action<Index2D, int, ArrayView<float>, ArrayView<float>> kernel) => Check.Run(args, "13-kernel",
        "each thread scaled its own number", () =>
        {
            const int Rows = 5, Columns = 7;
            float[] y = Check.Random(Rows * Columns, 1), l = Check.Random(Columns, 2);
            using var context = Context.Create(builder => builder.CPU(CPUDevice.Default));
            using var accelerator = context.CreateCPUAccelerator(0);
            using var ys = accelerator.Allocate1D(y);
            using var ls = accelerator.Allocate1D(l);
            accelerator.LoadAutoGroupedStreamKernel(kernel)(new Index2D(Rows, Columns), Columns, ls.View, ys.View);
            accelerator.Synchronize();
            float[] answer = ys.GetAsArray1D();
            if (answer.SequenceEqual(y))
            {
                throw new NotImplementedException("the kernel has changed no number");
            }
            Check.Equal("y", answer, [.. y.Select((value, i) => value * l[i % Columns])], 1e-6,
                "; the number (t, o) is at t·columns + o, and its factor at o");
        });
}
