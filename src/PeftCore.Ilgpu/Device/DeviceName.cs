namespace PeftCore.Ilgpu;

/// <summary>A parsed value of <c>--device</c>.</summary>
/// <param name="IsCuda">Whether it is an NVIDIA card; otherwise it is ILGPU's CPU accelerator.</param>
/// <param name="Number">Index of the card, from 0.</param>
internal readonly record struct DeviceName(bool IsCuda, int Number)
{
    public const string Cuda = "cuda";
    public const string Cpu = "ilgpu-cpu";

    /// <exception cref="BadInputException">The text is not the name of a device.</exception>
    public static DeviceName Parse(string name)
    {
        if (name == Cpu)
        {
            return new DeviceName(false, 0);
        }
        if (name == Cuda)
        {
            return new DeviceName(true, 0);
        }
        if (name.StartsWith(Cuda + ":", StringComparison.Ordinal) &&
            NumberText.TryDigits(name.AsSpan(Cuda.Length + 1), out int number))
        {
            return new DeviceName(true, number);
        }
        throw new BadInputException(
            $"--device {name}: no such device; a GPU is {Cuda} or {Cuda}:<number>, and {Cpu} runs the same kernels without one");
    }

    public override string ToString() => IsCuda ? $"{Cuda}:{Number}" : Cpu;
}
