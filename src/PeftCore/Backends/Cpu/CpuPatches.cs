using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Patches of pictures.</summary>
internal sealed class CpuPatches(CpuStream stream) : CpuLauncher(stream, null)
{
    public void Extract(Tensor x, int size, Tensor y) =>
        Launch(LaunchCost.Of("patches", x, y), (x: In(x), shape: ShapeOf(x, size), y: Out(y)),
            static (c, s) => PicturePatches.Extract(c.x.F32, c.shape, c.y.F32, s.Pool));

    public void Place(Tensor dy, int size, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of patches", dy, dx), (dy: In(dy), shape: ShapeOf(dx, size), dx: Out(dx), accumulate),
            static (c, s) => PicturePatches.Place(c.dy.F32, c.shape, c.dx.F32, c.accumulate, s.Pool));

    private static PatchShape ShapeOf(Tensor x, int size) => new(x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], size);
}
