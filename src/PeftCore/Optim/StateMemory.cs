using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>Where an optimizer's state lies: on the device, or, paged, in host memory. On a device whose own memory is host memory it stays
/// where it is.</summary>
/// <param name="isPaged">Whether moments are in host memory and each step fetches them.</param>
internal sealed class StateMemory(bool isPaged)
{
    /// <summary>Allocates a moment of zeros beside a parameter.</summary>
    public Moment New(string name, Parameter parameter, Shape shape, DType dtype = DType.F32)
    {
        var backend = parameter.Value.Backend;
        return new Moment(name, backend, shape, dtype, isPaged ? backend.Copies : null);
    }
}
