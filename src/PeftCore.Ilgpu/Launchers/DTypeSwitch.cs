using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>A launch whose kernel is generic over the element type.</summary>
internal interface IElementLaunch
{
    void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>;
}

/// <summary>A launch whose kernel is generic over vectors of eight elements.</summary>
internal interface IVectorLaunch
{
    void WithVector<TVector>() where TVector : unmanaged, IVector8<TVector>;
}

/// <summary>The one place where a DType becomes a kernel variant. A launch is a struct that carries its arguments, so that the runtime
/// specializes the call: no delegate and no boxing.</summary>
internal static class DTypeSwitch
{
    /// <summary>Launches the variant for elements of a floating-point dtype.</summary>
    public static void Element<TLaunch>(DType dtype, TLaunch launch) where TLaunch : struct, IElementLaunch
    {
        switch (dtype)
        {
            case DType.F32: launch.WithElement<Float32>(); break;
            case DType.BF16: launch.WithElement<BFloat16>(); break;
            case DType.F16: launch.WithElement<Float16>(); break;
            default: throw new InvalidOperationException($"{dtype} is not a floating-point dtype");
        }
    }

    /// <summary>Launches the variant for vectors of BF16 or F32 elements (see <see cref="LaunchContext.CanVectorizeWeight"/>).</summary>
    public static void Vector<TLaunch>(DType dtype, TLaunch launch) where TLaunch : struct, IVectorLaunch
    {
        switch (dtype)
        {
            case DType.F32: launch.WithVector<Float4x2>(); break;
            case DType.BF16: launch.WithVector<Bf16x8>(); break;
            default: throw new InvalidOperationException($"there are no vectors of {dtype}");
        }
    }
}
