"""Operators without products of matrices or convolutions, by name: what they multiply is elementwise, sums of their
own input, interpolation or transforms, which no engine's audit counts.
"""

from __future__ import annotations

_ELEMENTWISE = """
Abs Acos Acosh Add Affine And Asin Asinh Atan Atanh BiasGelu BiasAdd BiasSplitGelu BiasSoftmax BitCast BitShift
BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout BiasDropout Elu EngramGate
Equal Erf Exp FastGelu Floor GatedAdd Gelu Greater GreaterOrEqual HardSigmoid HardSwish HyperConnectionPreMix Identity
ImageScaler IsInf IsNaN LeakyRelu Less LessOrEqual LinearAttentionGate Log Max Mean Min Mish Mod Mul Neg Not Or PRelu
ParametricSoftplus Pow QLinearAdd QLinearLeakyRelu QLinearMul QLinearSigmoid QLinearWhere QuickGelu Reciprocal Relu
Round Scale ScaledSiLU ScaledTanh Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh
ThresholdedRelu Where Xor DequantizeLinear DynamicQuantizeLinear QuantizeLinear QuantizeWithOrder
DequantizeWithOrder
"""
_SUMS = """
ArgMax ArgMin AveragePool BatchNormalization BranchwiseRMSNorm CumProd CumSum EmbedLayerNormalization GatedRMSNorm
GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNorm GroupNormalization Hardmax InstanceNormalization LRN
LayerNormalization LogSoftmax LpNormalization LpPool MaxPool MaxRoiPool MaxUnpool MaxpoolWithMask
MeanVarianceNormalization NhwcMaxPool QEmbedLayerNormalization QLinearAveragePool QLinearGlobalAveragePool
QLinearSoftmax RMSNormalization ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare SimplifiedLayerNormalization SkipGroupNorm SkipLayerNormalization
SkipSimplifiedLayerNormalization Softmax SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss TopK QLinearReduceMean
"""
_MOVES = """
CenterCropPad Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Crop DepthToSpace DynamicSlice Expand
ExpandDims EyeLike Flatten Gather GatherBlockQuantized GatherElements GatherND MemcpyFromHost MemcpyToHost
NonZero OneHot Pad QLinearConcat Range ReorderInput ReorderOutput Reshape ReverseSequence
Scatter ScatterElements ScatterND Shape Size Slice SpaceToDepth Split SplitToSequence Squeeze TensorScatter Tile
Transpose Trilu UnfoldTensor Unique Unsqueeze
"""
_INTERPOLATES = """
CropAndResize GridSample MRotaryEmbedding Resize RoiAlign RotaryEmbedding Upsample
"""
# DFT and STFT take fast transforms, Det and Inverse eliminate: no products of matrices either.
_OTHERS = """
BifurcationDetector BlackmanWindow DFT Det DynamicTimeWarping HammingWindow HannWindow Inverse MelWeightMatrix
Multinomial Bernoulli MurmurHash3 NGramHashMapping NGramRepeatBlock NonMaxSuppression RandomNormal RandomNormalLike
RandomUniform RandomUniformLike RegexFullMatch STFT SampleOp StringConcat StringNormalizer StringSplit TfIdfVectorizer
Tokenizer VarlenNGramHashMapping
"""
# What they hold runs, and is counted, node by node.
_CONTROL = """
If Loop Scan Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty SequenceErase
SequenceInsert SequenceLength SequenceMap
"""

SILENT = frozenset(" ".join((_ELEMENTWISE, _SUMS, _MOVES, _INTERPOLATES, _OTHERS, _CONTROL)).split())

# Of the domain ai.onnx.ml.
ML = frozenset(
    (
        *("ArrayFeatureExtractor", "Binarizer", "CastMap", "CategoryMapper", "DictVectorizer", "FeatureVectorizer"),
        *("Imputer", "LabelEncoder", "Normalizer", "OneHotEncoder", "Scaler", "ZipMap"),
        *("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"),
    )
)
