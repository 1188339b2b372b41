using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Name and least cost of a kernel launch, for a profile.</summary>
/// <param name="Kernel">The kernel's name in the profile.</param>
/// <param name="Work">Floating-point operations, and bytes moved.</param>
internal readonly record struct LaunchCost(string Kernel, Work Work)
{
    /// <summary>The cost of a kernel that is bound by memory: the bytes of the tensors it reads and writes.</summary>
    public static LaunchCost Of(string kernel, params ReadOnlySpan<Tensor?> moved)
    {
        double bytes = 0;
        foreach (var tensor in moved)
        {
            bytes += tensor?.ByteCount ?? 0;
        }
        return new LaunchCost(kernel, new Work(0, bytes));
    }

    /// <summary>The cost of a kernel that is bound by arithmetic.</summary>
    public static LaunchCost OfFlops(string kernel, double flops) => new(kernel, new Work(flops, 0));
}
