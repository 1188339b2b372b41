using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>One tensor of a file that is a part of a parameter. The parameter consists of equal parts, one after the other.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Part">Index of the part.</param>
/// <param name="Parts">Number of parts.</param>
internal sealed record WeightPiece(string Name, long Part, int Parts)
{
    /// <summary>The shape of the part: the parameter's own if there is one, otherwise its last axes, the first of them divided if there are
    /// more parts than matrices.</summary>
    public Shape ShapeIn(Shape parameter)
    {
        if (Parts == 1)
        {
            return parameter;
        }
        return [(int)((long)parameter[0] * parameter[1] / Parts), parameter[2]];
    }

    /// <summary>The part of a parameter's value: a view.</summary>
    public Tensor Of(Tensor value)
    {
        var shape = ShapeIn(value.Shape);
        return value.Unscoped(shape, Part * shape.Count);
    }
}
