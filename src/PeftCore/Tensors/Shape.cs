using System.Runtime.CompilerServices;

namespace PeftCore.Tensors;

/// <summary>The extents of a tensor, outermost first; at most five. The empty shape is a scalar.</summary>
[CollectionBuilder(typeof(Shape), nameof(Of))]
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The largest number of axes a shape can have.</summary>
    internal const int MaxRank = 5;

    private readonly Extents _extents;
    private readonly long _count;

    private Shape(ReadOnlySpan<int> extents)
    {
        if (extents.Length > MaxRank)
        {
            throw new ArgumentException($"a shape has at most {MaxRank} axes, not {extents.Length}");
        }
        long count = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            if (extents[i] < 0)
            {
                throw new ArgumentException($"axis {i} of a shape cannot be {extents[i]}");
            }
            _extents[i] = extents[i];
            if (extents[i] > 0 && count > long.MaxValue / 8 / extents[i])
            {
                throw new ArgumentException("a shape with so many elements has no tensor: their bytes are more than 64 bits count");
            }
            count *= extents[i];
        }
        Rank = extents.Length;
        _count = count;
    }

    /// <summary>Number of axes.</summary>
    public int Rank { get; }

    /// <summary>Number of elements.</summary>
    public long Count => Rank == 0 ? 1 : _count;

    /// <summary>Extent of an axis; <c>^1</c> is the innermost.</summary>
    public int this[Index axis]
    {
        get
        {
            int i = axis.GetOffset(Rank);
            return (uint)i < (uint)Rank ? _extents[i]
                : throw new ArgumentOutOfRangeException(nameof(axis), $"there is no axis {axis} in shape {this}");
        }
    }

    /// <summary>Extent of the innermost axis: the columns of the tensor as a matrix.</summary>
    internal int Columns => Rank == 0 ? 1 : this[^1];

    /// <summary>Product of all other extents: the rows of the tensor as a matrix.</summary>
    internal int Rows => Columns == 0 ? RowsOfEmpty() : checked((int)(Count / Columns));

    /// <summary>Creates a shape from its extents.</summary>
    public static Shape Of(params ReadOnlySpan<int> extents) => new(extents);

    /// <summary>This shape with its innermost axis replaced.</summary>
    internal Shape WithColumns(int columns)
    {
        Span<int> extents = stackalloc int[Rank];
        CopyTo(extents);
        extents[^1] = columns;
        return new Shape(extents);
    }

    /// <summary>Enumerates the extents, outermost first.</summary>
    public IEnumerator<int> GetEnumerator()
    {
        for (int i = 0; i < Rank; i++)
        {
            yield return this[i];
        }
    }

    /// <summary>Copies the extents, outermost first.</summary>
    internal void CopyTo(Span<int> extents)
    {
        for (int i = 0; i < Rank; i++)
        {
            extents[i] = _extents[i];
        }
    }

    /// <inheritdoc/>
    public bool Equals(Shape other)
    {
        if (Rank != other.Rank)
        {
            return false;
        }
        for (int i = 0; i < Rank; i++)
        {
            if (_extents[i] != other._extents[i])
            {
                return false;
            }
        }
        return true;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        for (int i = 0; i < Rank; i++)
        {
            hash.Add(_extents[i]);
        }
        return hash.ToHashCode();
    }

    /// <summary>Equality of rank and extents.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Inequality of rank or extents.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public override string ToString()
    {
        int[] extents = new int[Rank];
        CopyTo(extents);
        return $"({string.Join(", ", extents)})";
    }

    private int RowsOfEmpty()
    {
        int rows = 1;
        for (int i = 0; i < Rank - 1; i++)
        {
            rows *= _extents[i];
        }
        return rows;
    }

    [InlineArray(MaxRank)]
    private struct Extents
    {
        private int _first;
    }
}
