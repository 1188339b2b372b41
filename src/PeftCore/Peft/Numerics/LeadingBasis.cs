using System.Numerics.Tensors;

namespace PeftCore.Peft.Numerics;

/// <summary>The leading left singular vectors of a large matrix by block Lanczos iteration on W·Wᵀ with thick restarts (Golub and Underwood
/// 1977; Wu and Simon 2000): each product with W adds a block to the basis, and the Ritz vectors of the basis converge to the singular
/// vectors. On a flat spectrum it needs far fewer products than subspace iteration.</summary>
internal sealed class LeadingBasis
{
    private const int Block = 16;
    private const int MaxProducts = 400;

    /// <summary>A Ritz vector v of value λ has converged if ‖W·Wᵀ·v − λ·v‖ is below this fraction of the largest eigenvalue.</summary>
    private const double Tolerance = 1e-11;

    private readonly double[] _w;
    private readonly int _m;
    private readonly int _n;
    private readonly int _wanted;
    private readonly int _capacity;
    private readonly double[] _basis; // (capacity, m), rows orthonormal
    private readonly double[] _images; // (capacity, n): basis · W
    private readonly double[] _gram; // (capacity, capacity): images · imagesᵀ
    private int _size;

    private LeadingBasis(double[] w, int m, int n, int r)
    {
        (_w, _m, _n, _wanted) = (w, m, n, r);
        _capacity = Math.Min(m, 2 * r + 12 * Block);
        _basis = new double[_capacity * m];
        _images = new double[_capacity * n];
        _gram = new double[_capacity * _capacity];
    }

    /// <summary>The r leading left singular vectors of W (m, n), as the rows of an (r, m) matrix.</summary>
    public static double[] Find(double[] w, int m, int n, int r) => new LeadingBasis(w, m, n, r).Run();

    private double[] Run()
    {
        double[] block = Start(new Random(12345));
        for (int product = 0; ; product++)
        {
            double[] next = Append(block);
            double[] coupling = Orthogonalize(next);
            bool full = _size + Block > _capacity;
            if (full || (product % 4 == 3 && _size >= _wanted))
            {
                var (values, vectors) = Ritz();
                if (_size == _m || product >= MaxProducts || Converged(values, vectors, coupling))
                {
                    return Rotate(vectors, _basis, _wanted, _m);
                }
                if (full)
                {
                    Restart(values, vectors);
                }
            }
            block = next;
        }
    }

    private double[] Start(Random random)
    {
        double[] block = new double[Block * _m];
        foreach (ref double x in block.AsSpan())
        {
            x = random.NextDouble() - 0.5;
        }
        Dense.Orthonormalize(block, Block, _m);
        return block;
    }

    /// <summary>Appends a block to the basis and returns W·Wᵀ applied to it.</summary>
    private double[] Append(double[] block)
    {
        block.CopyTo(_basis.AsSpan(_size * _m));
        double[] image = Dense.Multiply(block, _w, Block, _m, _n);
        image.CopyTo(_images.AsSpan(_size * _n));
        int before = _size;
        _size += Block;
        double[] products = Dense.MultiplyTransposed(image, _images, Block, _n, _size);
        for (int i = 0; i < Block; i++)
        {
            for (int j = 0; j < _size; j++)
            {
                _gram[(before + i) * _capacity + j] = _gram[j * _capacity + before + i] = products[i * _size + j];
            }
        }
        return Dense.MultiplyTransposed(image, _w, Block, _n, _m);
    }

    /// <summary>Orthonormalizes the next block, against the basis too; returns the coupling of the last block to it by W·Wᵀ, (Block,
    /// Block).</summary>
    private double[] Orthogonalize(double[] block)
    {
        SubtractBasis(block);
        SubtractBasis(block);
        double[] left = [.. block];
        Dense.Orthonormalize(block, Block, _m);
        // Unit vectors that replaced dependent rows are not orthogonal to the basis yet.
        SubtractBasis(block);
        Dense.Orthonormalize(block, Block, _m);
        return Dense.MultiplyTransposed(left, block, Block, _m, Block);
    }

    private void SubtractBasis(double[] block)
    {
        double[] inside = Dense.MultiplyTransposed(block, _basis, Block, _m, _size);
        TensorPrimitives.Subtract(block, Dense.Multiply(inside, _basis, Block, _size, _m), block);
    }

    private (double[] Values, double[] Vectors) Ritz()
    {
        double[] gram = new double[_size * _size];
        for (int i = 0; i < _size; i++)
        {
            _gram.AsSpan(i * _capacity, _size).CopyTo(gram.AsSpan(i * _size));
        }
        return SymmetricEigen.Solve(gram, _size);
    }

    /// <summary>Whether all wanted Ritz vectors have converged: their residual is their part in the last block times the
    /// coupling.</summary>
    private bool Converged(double[] values, double[] vectors, double[] coupling)
    {
        double[] last = new double[_wanted * Block];
        for (int i = 0; i < _wanted; i++)
        {
            vectors.AsSpan(i * _size + _size - Block, Block).CopyTo(last.AsSpan(i * Block));
        }
        double[] residuals = Dense.Multiply(last, coupling, _wanted, Block, Block);
        return Enumerable.Range(0, _wanted).All(i => Dense.Norm(residuals.AsSpan(i * Block, Block)) <= Tolerance * values[0]);
    }

    /// <summary>Thick restart: replaces the basis by its leading Ritz vectors, so that new blocks fit.</summary>
    private void Restart(double[] values, double[] vectors)
    {
        int kept = Math.Min(_size - Block, _wanted + (_capacity - _wanted) / 3);
        Rotate(vectors, _basis, kept, _m).CopyTo(_basis.AsSpan());
        Rotate(vectors, _images, kept, _n).CopyTo(_images.AsSpan());
        _size = kept;
        Array.Clear(_gram);
        for (int i = 0; i < kept; i++)
        {
            _gram[i * _capacity + i] = values[i];
        }
    }

    private double[] Rotate(double[] vectors, double[] rows, int count, int columns) =>
        Dense.Multiply(vectors, rows, count, _size, columns);
}
