using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public abstract partial class Backend
{
    // ---- Matrix products ----

    /// <summary>C (m, n) = α·op(A)·op(B) (+ C), with op(X) = Xᵀ if transposed. A is (m, k) or, transposed, (k, m); B is (k, n) or (n, k).
    /// A and B may be F32, BF16 or F16; C is F32 or BF16.</summary>
    internal abstract void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false);

    /// <summary>C (+)= Σ op(Aᵢ)·op(Bᵢ) + bias: a linear layer with its low-rank updates, or the gradients of several maps of one
    /// input.</summary>
    /// <param name="terms">The products; each as in <see cref="MatMul"/>.</param>
    /// <param name="c">(m, n)</param>
    /// <param name="bias">(n), added to every row; or null.</param>
    /// <param name="accumulate">Add to C.</param>
    internal virtual void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias = null, bool accumulate = false)
    {
        foreach (var (a, transposeA, b, transposeB) in terms)
        {
            MatMul(a, transposeA, b, transposeB, c, 1, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            AddRow(c, bias);
        }
    }

    /// <summary>Grouped products: result i (+)= α·Σ op(A)·op(B) + bias i, for several independent results of equal height.</summary>
    /// <param name="terms">Equally many for each result, those of the first result first.</param>
    /// <param name="results">(m, nᵢ), of one height m.</param>
    /// <param name="alpha">α</param>
    /// <param name="accumulate">Add to the results.</param>
    /// <param name="biases">(nᵢ) for each result, or null.</param>
    internal virtual void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        for (int i = 0; i < results.Length; i++)
        {
            bool add = accumulate;
            foreach (var (a, transposeA, b, transposeB) in terms.Slice(i * each, each))
            {
                MatMul(a, transposeA, b, transposeB, results[i], alpha, add);
                add = true;
            }
            if (biases[i] is { } bias)
            {
                AddRow(results[i], bias);
            }
        }
    }

    /// <summary>Products of tall matrices with skinny ones that read each tall matrix once, if the device has such a kernel. Returns false,
    /// and does nothing, if not: the caller then uses ordinary products.</summary>
    /// <param name="products">Either each with its own tall matrix and skinny ones on both sides, or all from the left of one tall
    /// matrix.</param>
    internal virtual bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products) => false;

    /// <summary>Strided batched products, all F32; see <see cref="BatchedProduct"/>.</summary>
    internal abstract void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c);

    // ---- Rows, columns and tables ----

    /// <summary>y[r, c] += row[c]; the row may be F32, BF16 or F16.</summary>
    internal abstract void AddRow(Tensor y, Tensor row);

    /// <summary>row[c] (+)= Σ_r x[r, c].</summary>
    internal abstract void SumRows(Tensor x, Tensor row, bool accumulate);

    /// <summary>y[r, c] (+)= x[r, c]·row[c].</summary>
    internal abstract void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate);

    /// <summary>row[c] (+)= Σ_r x[r, c]·y[r, c].</summary>
    internal abstract void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate);

    /// <summary>y[r, c] (+)= x[r, c]·column[r].</summary>
    internal abstract void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate);

    /// <summary>dots[r] (+)= Σ_c x[r, c]·y[r, c].</summary>
    internal abstract void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate);

    /// <summary>to[r, toColumn + c] (+)= from[r, fromColumn + c] for c below <paramref name="columns"/>.</summary>
    internal abstract void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate);

    /// <summary>y[i, :] = table[ids[i], :].</summary>
    internal abstract void Gather(Tensor ids, Tensor table, Tensor y);

    /// <summary>table[ids[i], :] += dy[i, :], in a fixed order.</summary>
    internal abstract void ScatterAdd(Tensor ids, Tensor dy, Tensor table);

    // ---- Elementwise ----

    /// <summary>y = f(x); y may be x.</summary>
    internal abstract void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula;

    /// <summary>dx (+)= dy·f′(x); dx may be x or dy when not accumulating.</summary>
    internal abstract void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula;

    /// <summary>h = f(gate)·up.</summary>
    internal abstract void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula;

    /// <summary>dgate = dh·up·f′(gate), dup = dh·f(gate). In place: dgate may be gate, and dup may be up.</summary>
    internal abstract void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula;

    /// <summary>y = a + b; y may be a or b.</summary>
    internal abstract void Add(Tensor a, Tensor b, Tensor y);

    /// <summary>y (+)= a·b, element by element.</summary>
    internal abstract void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate);

    /// <summary>y (+)= factor·x; y may be x when not accumulating.</summary>
    internal abstract void Scale(Tensor x, float factor, Tensor y, bool accumulate);

    /// <summary>y (+)= scalar·x, with the scalar on the device; y may be x when not accumulating.</summary>
    internal abstract void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate);

    // ---- Random numbers: Philox, a function of (seed, stream, element), so that masks are recomputed instead of stored ----

    /// <summary>y (+)= x with each element kept with probability 1 − p and scaled by 1/(1 − p), else 0.</summary>
    internal abstract void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate);

    /// <summary>Fills with uniform numbers in [low, high), from element <paramref name="first"/> of the stream on, so that a large tensor
    /// can be filled in chunks.</summary>
    internal abstract void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first = 0);

    /// <summary>Fills with normal numbers, from element <paramref name="first"/> of the stream on, a multiple of four.</summary>
    internal abstract void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first = 0);

    // ---- Norms ----

    /// <summary>y = x·rstd·(offset + weight) with rstd = 1/√(mean(x²) + ε), one per row.</summary>
    internal abstract void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon);

    /// <summary>Recomputes the y of <see cref="RmsNorm"/> from the saved rstd.</summary>
    internal virtual void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        RmsNorm(x, weight, weightOffset, y, rstd, epsilon);

    /// <summary>Gradients of <see cref="RmsNorm"/>. An output that is null is not computed.</summary>
    internal abstract void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight);

    /// <summary>y = (x − mean)·rstd·weight + bias.</summary>
    internal abstract void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon);

    /// <summary>Gradients of <see cref="LayerNorm"/>. An output that is null is not computed.</summary>
    internal abstract void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias);

    // ---- Attention ----

    /// <summary>Rotates heads in place by the angles of their positions (Su et al., RoFormer).</summary>
    /// <param name="heads">The heads to rotate.</param>
    /// <param name="cos">(positions, rotary/2) cosines.</param>
    /// <param name="sin">(positions, rotary/2) sines.</param>
    /// <param name="positions">I32, one per row.</param>
    /// <param name="interleaved">Pairs are (2i, 2i+1) rather than (i, i + rotary/2).</param>
    /// <param name="inverse">Rotate by the negative angle.</param>
    internal abstract void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse);

    /// <summary>o = softmax(scores)·v without the matrix of scores, and lse (batch, heads, queries), the log-sum-exp of each row of
    /// scores.</summary>
    internal abstract void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse);

    /// <summary>Gradients of <see cref="Attention"/>. An output that is null is not computed. <paramref name="delta"/> is workspace of
    /// lse's shape. dBias and dSinks are added to.</summary>
    internal abstract void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks);

    /// <summary>y[0, h, i, j] = table[buckets[i, j], h].</summary>
    internal abstract void RelativeBias(Tensor table, Tensor buckets, Tensor y);

    /// <summary>dTable[buckets[i, j], h] (+)= dy[0, h, i, j], in a fixed order.</summary>
    internal abstract void RelativeBiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate);

    /// <summary>y[b, h, i, j] = x[b, h, i, index[i, j]], or with <paramref name="transposed"/> y[b, h, j, i].</summary>
    internal abstract void GatherRelative(Tensor x, Tensor index, bool transposed, Tensor y);

    /// <summary>dx[b, h, i, r] (+)= Σ dy[b, h, i, j] over j with index[i, j] = r, in a fixed order.</summary>
    internal abstract void GatherRelativeGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate);

    // ---- Softmax and losses ----

    /// <summary>Softmax of each row; y may be x.</summary>
    internal abstract void Softmax(Tensor x, Tensor y);

    /// <summary>dx (+)= y·(dy − Σ y·dy), row by row.</summary>
    internal abstract void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate);

    /// <summary>Softmax over the k largest of each row, zero elsewhere. Of equal elements the first counts as larger.</summary>
    internal abstract void TopKSoftmax(Tensor x, int k, Tensor y);

    /// <summary>losses[r] = logsumexp(logits[r]) − logits[r, label], 0 where the label is <paramref name="ignoreLabel"/>. With
    /// <paramref name="writeGradient"/> the logits become (softmax − onehot)·scale.</summary>
    internal abstract void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient);

    /// <summary>Connectionist temporal classification: the loss of each row and its gradient, see <see cref="Kernels.Ctc"/>; all
    /// F32.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="logits">(B, T, C)</param>
    /// <param name="labels">I32 (B, L), negative after the last label of a row.</param>
    /// <param name="frames">I32 (B): frames of each row.</param>
    /// <param name="scratch">(B, <see cref="CtcShape.Scratch"/>)</param>
    /// <param name="losses">(B, 1)</param>
    /// <param name="gradient">(B, T, C), or null.</param>
    internal abstract void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses,
        Tensor? gradient);

    // ---- Structured matrices ----

    /// <summary>y[n] = x[n]⁻¹ for each (b, b) matrix of (n, b, b), without pivoting: for matrices whose leading minors are not zero, such
    /// as I + a skew-symmetric matrix, triangular and positive definite ones. y may be x.</summary>
    internal abstract void InvertBlocks(Tensor x, Tensor y);

    /// <summary>y[t, r] (+)= Σ_e values[order[e]]·x[t, columns[e]] over the entries e of row r, which are offsets[r] … offsets[r + 1] −
    /// 1: x times the transpose of a sparse matrix in CSR form.</summary>
    /// <param name="x">(rows, in)</param>
    /// <param name="values">(n), the entries of a sparse (out, in) matrix.</param>
    /// <param name="offsets">I32 (out + 1), the first entry of each row.</param>
    /// <param name="columns">I32 (n), the column of each entry.</param>
    /// <param name="order">I32 (n), the index of each entry's value.</param>
    /// <param name="y">(rows, out)</param>
    /// <param name="accumulate">Add to y.</param>
    internal abstract void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate);

    /// <summary>dValues[e] (+)= Σ_t dy[t, rows[e]]·x[t, columns[e]].</summary>
    internal abstract void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate);

    // ---- Optimizers ----

    /// <summary>One AdamW step of one parameter; the gradient is multiplied by <paramref name="gradientScale"/> first.</summary>
    internal abstract void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment);

    /// <summary>One AdamW step of many parameters in one launch (multi-tensor apply).</summary>
    internal virtual void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        foreach (var (step, parameter, gradient, first, second) in parameters)
        {
            AdamW(step, parameter, gradient, gradientScale, first, second);
        }
    }

    /// <summary>One AdamW step of many parameters in bitsandbytes' arithmetic, with moments of 8 bits.</summary>
    internal abstract void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale);

    /// <summary>One Lion step of many parameters.</summary>
    internal abstract void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale);

    /// <summary>One Adafactor step of many parameters.</summary>
    internal abstract void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale);

    /// <summary>One step of stochastic gradient descent of one parameter, with or without a momentum buffer.</summary>
    internal abstract void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate,
        float momentum,
        float weightDecay, bool nesterov, bool firstStep);

    /// <summary>Σ x², in a fixed order.</summary>
    internal abstract double SumOfSquares(Tensor x);

    /// <summary>Σ x² over several tensors, in their order.</summary>
    internal virtual double SumOfSquares(ReadOnlySpan<Tensor> tensors)
    {
        double sum = 0;
        foreach (var tensor in tensors)
        {
            sum += SumOfSquares(tensor);
        }
        return sum;
    }

    /// <summary>Whether no element is NaN or infinite.</summary>
    internal abstract bool AllFinite(Tensor x);
}
