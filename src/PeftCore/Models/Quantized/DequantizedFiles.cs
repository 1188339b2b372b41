using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>The tensors of a plain weight file, dequantised from those of a quantised one while they are written.</summary>
internal sealed class DequantizedFiles(TransformerModel model, WeightSource weights, StoredQuantization? method, Backend backend)
{
    private readonly StoredWeights _stored = new(model, weights, method);

    /// <summary>The tensors; each is read when it is written.</summary>
    /// <exception cref="BadInputException">A tensor is missing or wrong, or none is quantised.</exception>
    public IReadOnlyList<SafetensorsTensor> Tensors()
    {
        var found = new List<(string Name, Shape Shape, StoredWeight Weight)>();
        foreach (var (path, parameter) in model.NamedParameters())
        {
            var pieces = model.PiecesOf(path);
            if (pieces?.All(piece => _stored.Find(piece.Name, piece.ShapeIn(parameter.Shape)) is not null) == true)
            {
                found.AddRange(pieces.Select(piece => (piece.Name, piece.ShapeIn(parameter.Shape),
                    _stored.Find(piece.Name, piece.ShapeIn(parameter.Shape))!)));
                continue;
            }
            found.Add((model.FileName(path), parameter.Shape, _stored.Find(path, parameter.Shape)
                ?? throw new BadInputException($"{weights.Place}: the model's tensor \"{path}\" is missing; the file is incomplete.")));
        }
        if (found.All(tensor => tensor.Weight.Method is null))
        {
            throw new BadInputException($"{weights.Place}: no weight is quantised; the model is plain already.");
        }
        found.ForEach(tensor => tensor.Weight.Check(tensor.Shape));
        return [.. found.Select(tensor => ToFile(tensor.Name, tensor.Shape, tensor.Weight)),
            .. weights.Names.Where(model.IsBuffer).Select(name => weights.Get(name).ToFile(name))];
    }

    private SafetensorsTensor ToFile(string name, Shape shape, StoredWeight weight)
    {
        int[] extents = new int[shape.Rank];
        shape.CopyTo(extents);
        return new SafetensorsTensor(name, weight.DType.ToString(), Array.ConvertAll(extents, extent => (long)extent), stream =>
        {
            using var scope = new TensorScope();
            var value = backend.NewTensor(shape, weight.DType, MemoryKind.Workspace);
            weight.Read(value);
            value.WriteTo(stream);
        });
    }
}
