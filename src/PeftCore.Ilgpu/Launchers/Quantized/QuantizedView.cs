using ILGPU;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>The parts of a quantised matrix in device memory.</summary>
internal readonly struct QuantizedView
{
    private readonly AddressSpace _space;
    private readonly nint _address;

    public QuantizedView(LaunchContext gpu, Tensor weight)
    {
        Format = weight.Format ?? throw new InvalidOperationException($"{weight} is not quantised");
        (_space, _address, Parts) = (gpu.Device.Space, LaunchContext.Address(weight), Format.PartsOf(weight.Shape));
    }

    public QuantizedFormat Format { get; }

    public QuantizedParts Parts { get; }

    public nint CodeAddress => _address;

    public nint ScaleAddress => _address + (nint)Parts.Scales;

    public nint ScaleScaleAddress => _address + (nint)Parts.ScaleScales;

    public nint MeanAddress => _address + (nint)Parts.Mean;

    /// <summary>Four-bit codes, two a byte.</summary>
    public ArrayView<byte> Codes => _space.View<byte>(_address, Parts.CodeBytes);

    /// <summary>Codes of INT8.</summary>
    public ArrayView<sbyte> Int8Codes => _space.View<sbyte>(_address, Parts.CodeBytes);

    /// <summary>F32 scales; empty with double quantisation.</summary>
    public ArrayView<float> Scales => _space.View<float>(ScaleAddress, Format.DoubleQuantized ? 0 : Parts.ScaleCount);

    /// <summary>Double quantisation: the codes of the scales; otherwise empty, as are their scales and mean.</summary>
    public ArrayView<byte> ScaleCodes => _space.View<byte>(ScaleAddress, Format.DoubleQuantized ? Parts.ScaleCount : 0);

    public ArrayView<float> ScaleScales => _space.View<float>(ScaleScaleAddress, Parts.ScaleScaleCount);

    public ArrayView<float> Mean => _space.View<float>(MeanAddress, Format.DoubleQuantized ? 1 : 0);
}
