using PeftCore.Io;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>Tables of the boxes of tokens on a page.</summary>
/// <param name="Rows">Rows of each table.</param>
/// <param name="Coordinate">Columns of the tables of left and right, top and bottom.</param>
/// <param name="Size">Columns of the tables of height and width.</param>
/// <param name="SideBySide">Whether the six embeddings of a token are the parts of one vector; otherwise they are added.</param>
internal sealed record BoxSpec(int Rows, int Coordinate, int Size, bool SideBySide)
{
    // Boxes are in thousandths of the page.
    private const int LargestCoordinate = 1000;

    /// <summary>The largest coordinate.</summary>
    public int Most => Math.Min(Rows - 1, LargestCoordinate);

    /// <summary>Checks that a batch has a box for each token, and that each lies on the page.</summary>
    /// <exception cref="BadInputException">One does not.</exception>
    public void Check(InputArrays arrays, string modelType)
    {
        int[] boxes = arrays.Boxes ?? throw new BadInputException(
            $"{modelType} models read a box for each token (bbox), but the batch has none; give left, top, right and bottom of each word");
        if (boxes.Length != 4 * arrays.Ids.Length)
        {
            throw new BadInputException(
                $"there are {boxes.Length / 4} boxes for {arrays.Ids.Length} tokens; give one for each, of four numbers");
        }
        int most = Most;
        for (int i = 0; i < boxes.Length; i += 4)
        {
            var box = boxes.AsSpan(i, 4);
            string shown = $"the box ({string.Join(", ", box.ToArray())})";
            if (box.ContainsAnyExceptInRange(0, most))
            {
                throw new BadInputException($"{shown} lies outside of the page, whose coordinates are 0 to {most}; divide by the page's " +
                    $"width and height and multiply by {most}");
            }
            if (box[2] < box[0] || box[3] < box[1])
            {
                throw new BadInputException($"{shown} ends before it begins; boxes are left, top, right, bottom");
            }
        }
    }

    /// <summary>Rows of the tables.</summary>
    public static int RowsIn(ConfigReader config) => EncoderFields.Rows(config, "max_2d_position_embeddings", 1024);
}

/// <summary>Embeds the boxes of tokens: left, top, right and bottom from tables of x and y, and height and width from tables of their
/// own (Xu et al. 2020).</summary>
internal sealed class BoxEmbeddings
{
    private readonly BoxSpec _spec;
    private readonly Embedding _x;
    private readonly Embedding _y;
    private readonly Embedding _height;
    private readonly Embedding _width;

    /// <summary>Declares the tables.</summary>
    /// <param name="spec">Sizes.</param>
    /// <param name="add">Adds a table to the model under a name.</param>
    public BoxEmbeddings(BoxSpec spec, Func<string, Embedding, Embedding> add)
    {
        _spec = spec;
        _x = add("x_position_embeddings", new Embedding(spec.Rows, spec.Coordinate));
        _y = add("y_position_embeddings", new Embedding(spec.Rows, spec.Coordinate));
        _height = add("h_position_embeddings", new Embedding(spec.Rows, spec.Size));
        _width = add("w_position_embeddings", new Embedding(spec.Rows, spec.Size));
    }

    /// <summary>Uploads the rows of the tables.</summary>
    public static void Upload(ModelInputs inputs)
    {
        for (int side = 0; side < 6; side++)
        {
            inputs.BoxSides(side);
        }
    }

    /// <summary>(B, T, C).</summary>
    public Tensor Forward(ModelInputs inputs)
    {
        using var scope = new TensorScope("boxes");
        Embedding[] tables = [_x, _y, _x, _y, _height, _width];
        var sum = tables[0].Forward(inputs.BoxSides(0));
        for (int side = 1; side < tables.Length; side++)
        {
            var next = tables[side].Forward(inputs.BoxSides(side));
            sum = _spec.SideBySide ? sum.ConcatColumns(next) : sum + next;
        }
        return scope.Return(sum);
    }
}
