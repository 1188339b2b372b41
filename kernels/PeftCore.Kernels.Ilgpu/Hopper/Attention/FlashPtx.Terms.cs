using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The macros of terms beyond q·k (see <see cref="FlashTerms"/>).</summary>
internal sealed partial class FlashPtx
{
    private const string One = "0f3F800000", Two = "0f40000000", MinusOne = "0fBF800000";

    private bool WriteTerms(StringBuilder text, string[] name, string[] a)
    {
        switch (string.Join('.', name))
        {
            case "terms": break;
            case "cap": Cap(text, a); break;
            case "ramp": Ramp(text, a); break;
            case "rowbias.pairs": RowBias(text, a, pairs: true); break;
            case "rowbias.singles": RowBias(text, a, pairs: false); break;
            case "rowbiasgrad.pairs": RowBiasGradient(text, a, pairs: true); break;
            case "rowbiasgrad.singles": RowBiasGradient(text, a, pairs: false); break;
            case "columnbias": ColumnBias(text, a); break;
            case "keep": Keep(text, a); break;
            case "rowweights.cap": CappedRowWeights(text, a); break;
            case "rowslopes.keep": KeptRowSlopes(text, a); break;
            case "columnweights.cap": CappedColumnWeights(text, a); break;
            case "columnslopes.keep": ColumnSlopes(text, a[0], KeptSlope); break;
            case "columnslopes.cap": ColumnSlopes(text, a[0], CappedSlope, writesProbabilities: false); break;
            case "finish.sink": Finish(text, a, sink: true); break;
            default: return false;
        }

        return true;

        // p = P∘M, w = P∘(g∘M − delta).
        void KeptSlope(int s)
        {
            Factor(text, s, a[1], a[2], a[3]);
            Line(text, $"mul.f32 g{s}, g{s}, m;\nsub.f32 g{s}, g{s}, x{s % 2};\nmul.f32 g{s}, s{s}, g{s};\nmul.f32 s{s}, s{s}, m;");
        }

        // s already is P times the derivative of the soft cap, and p is written.
        void CappedSlope(int s) => Line(text, $"sub.f32 g{s}, g{s}, x{s % 2};\nmul.f32 g{s}, s{s}, g{s};");
    }

    // s = b·tanh(s·e/(2·log₂e)) as b − 2b/(1 + 2^(s·e)). Arguments: e = 2·log₂e·scale/cap and b = cap/scale.
    private void Cap(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .f32 x, twice;\nmul.f32 twice, {a[1]}, {Two};\nneg.f32 twice, twice;");
        for (int i = 0; i < Scores32; i++)
        {
            Line(text, $"mul.f32 x, s{i}, {a[0]};\nex2.approx.ftz.f32 x, x;\nadd.f32 x, x, {One};\nrcp.approx.ftz.f32 x, x;");
            Line(text, $"fma.rn.f32 s{i}, x, twice, {a[1]};");
        }

        Line(text, "}");
    }

    // s += first + step·column. Arguments: the first of each row, the step.
    private void Ramp(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .f32 x;");
        for (int i = 0; i < Scores32; i++)
        {
            int row = i / 2 % 2, column = (i / 4 * 8) + (i % 2);
            Line(text, $"mov.f32 x, {Float(column)};\nfma.rn.f32 x, x, {a[2]}, {a[row]};\nadd.f32 s{i}, s{i}, x;");
        }

        Line(text, "}");
    }

    // s += bias/scale. Arguments: addresses of the biases of both rows at the thread's first column, keys left from it on (0 for a row that
    // does not exist), 1/scale. In pairs if they are aligned to 8 bytes.
    private void RowBias(StringBuilder text, string[] a, bool pairs)
    {
        Line(text, "{\n.reg .pred here;\n.reg .f32 x<4>;");
        for (int column = 0; column < _tiles.Columns; column += 8)
        {
            for (int row = 0; row < 2; row++)
            {
                Line(text, $"mov.f32 x{2 * row}, {Zero};\nmov.f32 x{(2 * row) + 1}, {Zero};\nsetp.gt.s32 here, {a[2 + row]}, {column};");
                if (pairs)
                {
                    Line(text, $"@here ld.global.nc.v2.f32 {{x{2 * row}, x{(2 * row) + 1}}}, [{a[row]}+{4 * column}];");
                    continue;
                }

                Line(text, $"@here ld.global.nc.f32 x{2 * row}, [{a[row]}+{4 * column}];\nsetp.gt.s32 here, {a[2 + row]}, {column + 1};");
                Line(text, $"@here ld.global.nc.f32 x{(2 * row) + 1}, [{a[row]}+{4 * (column + 1)}];");
            }

            AddBias(text, column / 2, a[4]);
        }

        Line(text, "}");
    }

    // dBias += s. Arguments: those of RowBias without the scale.
    private void RowBiasGradient(StringBuilder text, string[] a, bool pairs)
    {
        Line(text, "{\n.reg .pred here;\n.reg .f32 x<2>;");
        Line(text, $"mov.f32 x0, {Zero};\nmov.f32 x1, {Zero};");
        for (int i = 0; i < Scores32; i += 2)
        {
            int row = i / 2 % 2, column = i / 4 * 8;
            if (pairs)
            {
                Line(text, $"setp.gt.s32 here, {a[2 + row]}, {column};");
                string at = $"[{a[row]}+{4 * column}]";
                Line(text, $"@here ld.global.v2.f32 {{x0, x1}}, {at};\nadd.f32 x0, x0, s{i};\nadd.f32 x1, x1, s{i + 1};");
                Line(text, $"@here st.global.v2.f32 {at}, {{x0, x1}};");
                continue;
            }

            for (int next = 0; next < 2; next++)
            {
                string at = $"[{a[row]}+{4 * (column + next)}]";
                Line(text, $"setp.gt.s32 here, {a[2 + row]}, {column + next};\n@here ld.global.f32 x0, {at};\n" +
                    $"add.f32 x0, x0, s{i + next};");
                Line(text, $"@here st.global.f32 {at}, x0;");
            }
        }

        Line(text, "}");
    }

    // RowBias with keys as rows. Arguments: address of the bias of the thread's first query and key, bytes from one query to the next,
    // queries left from the first on, whether each of the two keys exists, 1/scale.
    private void ColumnBias(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .pred key<2>, here;\n.reg .f32 x<4>;\n.reg .b64 at, far;");
        Line(text, $"mov.b64 at, {a[0]};\nmul.lo.s64 far, {a[1]}, 7;");
        Line(text, $"setp.ne.s32 key0, {a[3]}, 0;\nsetp.ne.s32 key1, {a[4]}, 0;");
        for (int column = 0; column < _tiles.Columns; column += 8)
        {
            for (int next = 0; next < 2; next++)
            {
                for (int row = 0; row < 2; row++)
                {
                    string x = $"x{(2 * row) + next}";
                    Line(text, $"mov.f32 {x}, {Zero};\nsetp.gt.and.s32 here, {a[2]}, {column + next}, key{row};");
                    Line(text, $"@here ld.global.nc.f32 {x}, [at+{32 * row}];");
                }

                Line(text, $"add.s64 at, at, {(next == 0 ? a[1] : "far")};");
            }

            AddBias(text, column / 2, a[5]);
        }

        Line(text, "}");
    }

    private static void AddBias(StringBuilder text, int first, string inverseScale)
    {
        for (int i = 0; i < 4; i++)
        {
            Line(text, $"fma.rn.f32 s{first + i}, x{i}, {inverseScale}, s{first + i};");
        }
    }

    // s = s∘M. Arguments: bits of the kept scores, low and high, and the factor of a kept one.
    private void Keep(StringBuilder text, string[] a)
    {
        Line(text, FactorRegisters);
        for (int i = 0; i < Scores32; i++)
        {
            Factor(text, i, a[0], a[1], a[2]);
            Line(text, $"mul.f32 s{i}, s{i}, m;");
        }

        Line(text, "}");
    }

    private const string FactorRegisters = "{\n.reg .pred kept;\n.reg .b32 bit;\n.reg .f32 m;";

    // m = the factor of dropout for a score: that of a kept one, or 0.
    private static void Factor(StringBuilder text, int score, string low, string high, string scale) => Line(text,
        $"and.b32 bit, {(score < 32 ? low : high)}, 0x{1u << (score % 32):X};\n" +
        $"setp.ne.u32 kept, bit, 0;\nselp.f32 m, {scale}, {Zero}, kept;");

    // RowWeights times 1 − tanh², the derivative of the soft cap. Arguments: c, scale/cap. A masked score of −∞ counts as tanh = −1.
    private void CappedRowWeights(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .f32 t;");
        for (int i = 0; i < Scores32; i++)
        {
            CapSlope(text, $"s{i}", a[1]);
            Line(text, $"fma.rn.f32 s{i}, s{i}, {a[0]}, lse{i / 2 % 2};\nex2.approx.ftz.f32 s{i}, s{i};\nmul.f32 s{i}, s{i}, t;");
        }

        Line(text, "}");
    }

    // CappedRowWeights with queries as columns; p = P. Arguments: offset of the row statistics of the thread's first column, c, scale/cap.
    private void CappedColumnWeights(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .u32 at;\n.reg .f32 x<2>, t, d<4>;\nadd.u32 at, sbase, {a[0]};");
        for (int j = 0; j < _tiles.Columns; j += 8)
        {
            int s = j / 2;
            Line(text, $"ld.shared.v2.f32 {{x0, x1}}, [at+{4 * j}];");
            for (int i = 0; i < 4; i++)
            {
                CapSlope(text, $"s{s + i}", a[2]);
                Line(text, $"mov.f32 d{i}, t;\nfma.rn.f32 s{s + i}, s{s + i}, {a[1]}, x{i % 2};\nex2.approx.ftz.f32 s{s + i}, s{s + i};");
            }

            Line(text, $"cvt.rn.bf16x2.f32 p{j / 4}, s{s + 1}, s{s};\ncvt.rn.bf16x2.f32 p{(j / 4) + 1}, s{s + 3}, s{s + 2};");
            for (int i = 0; i < 4; i++)
            {
                Line(text, $"mul.f32 s{s + i}, s{s + i}, d{i};");
            }
        }

        Line(text, "}");
    }

    // t = 1 − (s·scale/cap)².
    private static void CapSlope(StringBuilder text, string score, string inverse) => Line(text,
        $"mul.f32 t, {score}, {inverse};\nmax.f32 t, t, {MinusOne};\nfma.rn.f32 t, t, t, {MinusOne};\nneg.f32 t, t;");

    // RowSlopes of dropped probabilities. Arguments: bits of the kept scores, low and high, and the factor of a kept one.
    private void KeptRowSlopes(StringBuilder text, string[] a)
    {
        Line(text, FactorRegisters);
        for (int i = 0; i < Scores32; i++)
        {
            Factor(text, i, a[0], a[1], a[2]);
            Line(text, $"mul.f32 g{i}, g{i}, m;\nsub.f32 g{i}, g{i}, delta{i / 2 % 2};\nmul.f32 s{i}, s{i}, g{i};");
        }

        Line(text, "}");
    }

    private static string Float(float value) => $"0f{BitConverter.SingleToUInt32Bits(value):X8}";
}
