using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Misuse;

/// <summary>An op of the user whose passes return what they should not.</summary>
internal sealed class WrongOp(int kind) : AutogradFunction("wrong")
{
    protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs)
    {
        if (inputs.Length == 0)
        {
            throw new UserException();
        }
        context.Save("x", inputs[0]);
        return (kind % 6) switch
        {
            0 => null!,
            1 => [],
            2 => [null!],
            3 => [inputs[0]],
            4 => [inputs[0] * 2, inputs[0].Sum()],
            _ => [inputs[0] * 2],
        };
    }

    protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs) => (kind / 6 % 6) switch
    {
        0 => null!,
        1 => [],
        2 => [null],
        3 => [context.Saved("y")],
        4 => [context.Saved("x").Sum()],
        _ => [gradOutputs[0]],
    };
}

/// <summary>A layer of the user that returns nothing, a disposed tensor, or its input.</summary>
internal sealed class WrongLayer(int kind) : Layer
{
    protected override Tensor Compute(Tensor x)
    {
        var y = x * 2;
        if (kind % 3 == 0)
        {
            y.Dispose();
        }
        return (kind % 3) switch { 0 => y, 1 => null!, _ => x };
    }
}

/// <summary>A method of the user whose adapters do not fit their layers.</summary>
internal sealed record WrongConfig(int Kind) : LinearAdapterConfig
{
    protected override LinearAdapter CreateAdapter(AdapterSite site) => (Kind % 3) switch { 0 => null!, _ => new WrongAdapter(site, Kind) };
}

/// <summary>The adapter of <see cref="WrongConfig"/>.</summary>
internal sealed class WrongAdapter : LinearAdapter
{
    private readonly int _kind;

    public WrongAdapter(AdapterSite site, int kind) : base(site)
    {
        _kind = kind;
        Add("s", [site.Layer.Outputs]);
    }

    public override Tensor Forward(Tensor x, Tensor y) => _kind % 2 == 0 ? null! : y.Sum();
}
