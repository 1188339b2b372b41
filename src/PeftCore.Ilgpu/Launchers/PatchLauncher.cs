using PeftCore.Kernels.Ilgpu.Portable.Vision;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Patches of pictures, in F32.</summary>
internal sealed class PatchLauncher(LaunchContext gpu)
{
    public void Extract(Tensor x, int size, Tensor y) => gpu.ForEach<ExtractPatches, PatchArgs>(y.Count, Args(x, size, y));

    public void Place(Tensor dy, int size, Tensor dx, bool accumulate) =>
        gpu.ForEach<PlacePatches, PatchArgs>(dx.Count, Args(dx, size, dy) with { Accumulate = Flag(accumulate) });

    private PatchArgs Args(Tensor pixels, int size, Tensor patches) => new()
    {
        Pixels = gpu.F32(pixels),
        Patches = gpu.F32(patches),
        Channels = pixels.Shape[1],
        Height = pixels.Shape[2],
        Width = pixels.Shape[3],
        Size = size,
    };
}
