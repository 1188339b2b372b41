using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Values of a batch in host memory, row-major, with their shape.</summary>
/// <param name="Values">The values.</param>
/// <param name="Shape">The extents, that of the batch first.</param>
internal sealed record DenseArray(float[] Values, Shape Shape)
{
    /// <summary>Creates an input.</summary>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="values">The values.</param>
    /// <param name="shape">The extents.</param>
    /// <param name="batch">Rows of the batch.</param>
    /// <exception cref="BadInputException">The values do not fill the shape, or the first extent is not that of the batch.</exception>
    public static DenseArray Of(string name, ReadOnlySpan<float> values, ReadOnlySpan<int> shape, int batch)
    {
        long count = 1;
        foreach (int extent in shape)
        {
            count = extent > 0 && count <= values.Length ? count * extent : 0;
        }
        if (shape.IsEmpty || count != values.Length || shape[0] != batch)
        {
            throw new BadInputException(
                $"{name}: {values.Length} values do not fill the shape ({string.Join(", ", shape.ToArray())}) of {batch} rows");
        }
        return new DenseArray(values.ToArray(), Shape.Of(shape));
    }

    /// <summary>This array, if it has a number of extents.</summary>
    /// <exception cref="BadInputException">It has another one.</exception>
    public DenseArray OfRank(int rank, string name) => Shape.Rank == rank ? this
        : throw new BadInputException($"{name}: the shape is {Shape}, expected {rank} extents");

    /// <summary>The values as whole numbers.</summary>
    /// <exception cref="BadInputException">One is not whole.</exception>
    public int[] ToInts(string name) => Array.ConvertAll(Values, value => value == (int)value ? (int)value
        : throw new BadInputException($"{name}: {value} is not a whole number"));
}

/// <summary>Pixels and sound of a batch on the device, as they came from the host.</summary>
internal sealed class DenseInputs
{
    private DenseInputs(IReadOnlyList<Uploaded> uploads) => Uploads = uploads;

    /// <summary>Inputs of a model that reads tokens alone.</summary>
    public static DenseInputs None { get; } = new([]);

    /// <summary>F32 (B, channels, height, width); null without pictures.</summary>
    public Tensor? Pixels { get; private init; }

    /// <summary>F32 (B, bins, frames) or (B, samples); null without sound.</summary>
    public Tensor? Sound { get; private init; }

    /// <summary>I32 (B): steps of the noise schedule; null without.</summary>
    public Tensor? Timesteps { get; private init; }

    /// <summary>F32 (B, T', C'): hidden states of another model's encoder; null without.</summary>
    public Tensor? EncoderStates { get; private init; }

    /// <summary>F32 (B, C'): vectors that describe the class of a picture; null without.</summary>
    public Tensor? Classes { get; private init; }

    /// <summary>All of them, with their values on the host.</summary>
    public IReadOnlyList<Uploaded> Uploads { get; }

    /// <summary>Uploads what a batch has.</summary>
    public static DenseInputs Upload(Backend backend, InputArrays arrays)
    {
        var uploads = new List<Uploaded>();
        return new DenseInputs(uploads)
        {
            Pixels = Floats(arrays.Pixels),
            Sound = Floats(arrays.Sound),
            Timesteps = Ints(arrays.Timesteps, [arrays.BatchSize]),
            EncoderStates = Floats(arrays.EncoderStates),
            Classes = Floats(arrays.Classes),
        };

        Tensor? Floats(DenseArray? array) => array is null ? null : Add(backend.From(array.Values, array.Shape), array.Values);

        Tensor? Ints(int[]? values, Shape shape) => values is null ? null : Add(backend.From(values, shape), values);

        Tensor Add(Tensor tensor, Array values)
        {
            uploads.Add(new Uploaded(tensor, values));
            return tensor;
        }
    }
}
